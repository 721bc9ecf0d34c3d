"""What `python /opt/holoscan/app` runs: the application that lies beside this file."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
runpy.run_module("app", run_name="__main__", alter_sys=True)
