"""Mutated DICOM files through the reader: of each comes a volume or a refusal with a reason code, nothing else."""
