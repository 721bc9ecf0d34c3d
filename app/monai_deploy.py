"""The console script `monai-deploy`: adds `exec` to the verbs of holoscan-cli.

`monai-deploy exec APP -i IN -o OUT [-m MODELS]` runs the application folder APP in this interpreter, as the first
SDK releases did; every other verb goes to holoscan-cli where that is installed and has it.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_USAGE = (
    "usage: monai-deploy exec APP -i INPUT -o OUTPUT [-m MODELS]\n"
    "       monai-deploy {package,run,version,nics,...}    (holoscan-cli, where it has them)\n\n"
    "  exec   run the application folder APP (it has a __main__.py) in this Python\n"
)
_EXIT_USAGE = 2
_WITHOUT_DOCKER = {
    "package": "builds with Docker's buildx, and no Docker engine answers here; "
    "`make image` builds this application's own Dockerfile with Docker or podman",
    "run": "starts the image with Docker, and no Docker engine answers here; "
    "docs/container.md shows how podman starts it",
}


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
    sys.argv = [str(folder), *given[1:]]
    if (folder / "__init__.py").is_file():
        # As `python -m` from beside it: the application's packages lie there.
        sys.path.insert(0, str(folder.parent))
        _forget(folder.parent)
        runpy.run_module(folder.name, run_name="__main__", alter_sys=True)
    else:
        # As `python FOLDER`, which is how a MAP starts its application folder: the packages lie inside.
        _forget(folder)
        runpy.run_path(str(folder), run_name="__main__")
    return 0


def _forget(folder: Path) -> None:
    """Drop what was imported to get here, so that all packages of the application come from `folder`."""
    ours = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
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
    verb = given[0] if given else ""
    if verb in _WITHOUT_DOCKER and not {"-h", "--help"} & set(given) and not _docker_answers():
        print(f"monai-deploy: '{verb}' of holoscan-cli {_WITHOUT_DOCKER[verb]}", file=sys.stderr)
        return _EXIT_USAGE
    sys.argv = ["monai-deploy", *given]
    result = holoscan_main()
    return result if isinstance(result, int) else 0


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    except OSError:
        return False


def how_to_mend(script: Path) -> str | None:
    """What to do where the console script is not this module's: holoscan-cli installs one of the same name.

    The package that was installed last has the name; uninstalling either takes the script away.
    """
    if script.is_file() and "app.monai_deploy" in script.read_text("utf-8", errors="replace"):
        return None
    state = "is holoscan-cli's and has no 'exec'" if script.is_file() else "is gone"
    return (
        f"the command monai-deploy {state}, since holoscan-cli was installed or removed after this project; "
        "`python -m app.monai_deploy` does the same, and `pip install --force-reinstall --no-deps .` in this project's "
        "folder gives the command back"
    )


if __name__ == "__main__":
    advice = how_to_mend(Path(sys.executable).with_name("monai-deploy"))
    if advice is not None:
        print(f"monai-deploy: {advice}", file=sys.stderr)
    sys.exit(main())
