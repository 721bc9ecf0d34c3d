#!/opt/venv/bin/python3
"""The command `monai-deploy` in the image."""

import sys

from app.monai_deploy import main

sys.exit(main())
