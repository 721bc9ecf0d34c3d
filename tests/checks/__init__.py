"""What has to hold of the results of a study on disk, as anybody finds them there: checks, and how they are run.

A check takes a `StudyOnDisk` and yields sentences, each a finding; none means that all is well. It knows result.json,
the source images and the DICOM standard, and uses nothing of the code that made the objects.
"""
