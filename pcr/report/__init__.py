"""What leaves the program: result.json, DICOM SR, SEG and SC, published all or nothing."""
