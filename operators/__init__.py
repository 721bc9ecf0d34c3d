"""The steps of the program as Holoscan operators: each receives a case, calls one function of the core, emits the next.

Holoscan needs the CUDA runtime library even where it never uses a GPU; it comes as a Python package and must be
loaded before the first import of holoscan.
"""

import warnings

from cuda.pathfinder import load_nvidia_dynamic_lib

load_nvidia_dynamic_lib("cudart")
# Holoscan advises every process to raise its stack for GPU pipelines; these operators keep nothing large on it.
warnings.filterwarnings("ignore", message="Current stack size", category=RuntimeWarning)
