#!/bin/sh
# Takes out of a site-packages folder what no program of ours imports: prune.sh FOLDER. Licences stay.
set -eu
cd "$1"

# Test suites and their data.
find . -depth -type d \( -name tests -o -name test \) ! -path './numpy/_core/tests' -exec rm -rf {} +
find numpy/_core/tests -mindepth 1 ! -name __init__.py ! -name _natype.py -delete
rm -rf pydicom/data/test_files

# What serves compilers, type checkers and editors; scikit-image reads its own stubs when it is imported.
find . -type f ! -path './skimage/*' -name '*.pyi' -delete
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' \) -delete

# For programs in C; the module of Python has the same code in it.
rm -f onnxruntime/capi/libonnxruntime.so*
