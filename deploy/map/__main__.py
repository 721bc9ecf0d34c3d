"""Command line of the image's build: `python -m deploy.map labels|manifests|check|folder|self-test-study`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.map.labels import build_arguments

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Do what the verb says; 2 where it can not be done."""
    options = _parser().parse_args()
    if options.verb == "labels":
        for name, value in build_arguments(ROOT).items():
            print(f"--build-arg={name}={value}")
        return 0
    return _inside(options)


def _inside(options: argparse.Namespace) -> int:
    # Only `labels` has to work with nothing but the standard library.
    from deploy.map.check import Labels, check_labels
    from deploy.map.manifests import write_manifests
    from deploy.map.packager import write_application_folder
    from pcr.reasons import PcrError

    try:
        match options.verb:
            case "manifests":
                write_manifests(ROOT / "app.yaml", options.models, options.accelerator, options.out)
            case "check":
                labels = Labels(
                    version=options.version,
                    sdk_version=options.sdk_version,
                    model_version=options.model_version,
                    model_sha256=options.model_sha256,
                )
                check_labels(labels, ROOT / "app.yaml", options.models / "pcr")
            case "self-test-study":
                from deploy.map.self_test_study import write_self_test_study

                write_self_test_study()
            case "folder":
                write_application_folder(ROOT, options.out)
    except PcrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.map", description="Parts of the image's build.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("labels", help="print the build arguments that become labels, one a line")
    manifests = verbs.add_parser("manifests", help="write app.json and pkg.json")
    manifests.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    manifests.add_argument("--models", type=Path, default=ROOT / "models")
    manifests.add_argument("out", type=Path)
    check = verbs.add_parser("check", help="compare labels with what is here")
    check.add_argument("--models", type=Path, default=ROOT / "models")
    for name in ("version", "sdk-version", "model-version", "model-sha256"):
        check.add_argument(f"--{name}", required=True)
    verbs.add_parser("self-test-study", help="make the study of the self-test, and its stored result, anew")
    folder = verbs.add_parser("folder", help="write the application as a folder for `monai-deploy package`")
    folder.add_argument("out", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
