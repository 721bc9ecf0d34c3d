"""What leaves the program: result.json and DICOM objects, published all or nothing."""
