"""The MONAI Deploy application: settings, graph, command line."""

import os

# ONNX Runtime and Holoscan read these when they are first imported. No usage data leaves a hospital; the scheduler's
# log of an operator's error would bury the one sentence that the user needs.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")

# Makes ready what Holoscan needs before its first import, so it comes before any other import of this package.
import operators  # noqa: F401
