"""The console script `monai-deploy`: adds `exec` to the verbs of holoscan-cli.

`monai-deploy exec APP -i IN -o OUT [-m MODELS]` runs the application folder APP in this interpreter, as the first
SDK releases did; every other verb goes to holoscan-cli where that is installed and has it.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

_USAGE = (
    "usage: monai-deploy exec APP -i INPUT -o OUTPUT [-m MODELS]\n"
    "       monai-deploy {package,run,version,nics,...}    (holoscan-cli, where it has them)\n\n"
    "  exec   run the application folder APP (it has a __main__.py) in this Python\n"
)
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `exec`, or hand any other verb to holoscan-cli."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["exec"]:
        return _execute(given[1:])
    if not given or given[0] in ("-h", "--help"):
        print(_USAGE)
    return _hand_over(given)


def _execute(given: Sequence[str]) -> int:
    if not given or given[0].startswith("-"):
        print(_USAGE)
        return 0 if given[:1] in (["-h"], ["--help"]) else _EXIT_USAGE
    folder = Path(given[0]).resolve()
    if not (folder / "__main__.py").is_file():
        print(f"monai-deploy exec: {given[0]} is no application folder: it has no __main__.py", file=sys.stderr)
        return _EXIT_USAGE
    # The folder's own parent goes first, so that the application's packages come from beside it.
    sys.path.insert(0, str(folder.parent))
    _forget(folder)
    sys.argv = [str(folder), *given[1:]]
    runpy.run_module(folder.name, run_name="__main__", alter_sys=True)
    return 0


def _forget(folder: Path) -> None:
    """Drop what was imported to get here, so that all packages of the application come from beside its folder."""
    ours = {path.name for path in folder.parent.iterdir() if (path / "__init__.py").is_file()}
    for name in [n for n in sys.modules if n.split(".")[0] in ours]:
        del sys.modules[name]


def _hand_over(given: Sequence[str]) -> int:
    if importlib.util.find_spec("holoscan_cli") is None:
        print("monai-deploy: holoscan-cli is not installed; only 'exec' is available", file=sys.stderr)
        return _EXIT_USAGE
    try:
        holoscan_main = importlib.import_module("holoscan_cli.__main__").main
    except (ImportError, AttributeError):
        print("monai-deploy: this holoscan-cli has no packager; 'package' and 'run' need 4.2.0", file=sys.stderr)
        return _EXIT_USAGE
    sys.argv = ["monai-deploy", *given]
    result = holoscan_main()
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
