"""Command line: `python -m app.batch FOLDER... -o OUT [-m MODELS]`."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

from app.run import EXIT_CONFIGURATION

# Of the extra "batch"; the application itself does without.
_PACKAGES = ("cryptography", "distributed", "httpx", "jinja2")


def main() -> int:
    """Run a batch, if what it needs is installed."""
    if absent := [name for name in _PACKAGES if find_spec(name) is None]:
        print(f"bad_configuration: {', '.join(absent)} is not installed; install the extra 'batch'", file=sys.stderr)
        return EXIT_CONFIGURATION
    from app.batch.command import run_command

    # Ended by a service manager as by Ctrl-C: with its workers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
