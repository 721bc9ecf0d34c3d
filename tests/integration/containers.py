"""The image, really built and run by podman and runc where there is no Docker engine and no registry.

`FROM debian:bookworm-slim` resolves to a base made from this machine's own Debian packages, and the wheels come from
this machine's own pip into `wheelhouse/`, so the Dockerfile is built as it is. Everything lies in one cache folder
(BREAST_PCR_CONTAINERS, default ~/.cache/breast-pcr-containers); removing it makes the next build a cold one.

    podman("run", "--rm", built_image(), "help")                    # a command of podman; its output is text
    subprocess.run([...], env=podman_environment())                 # programs that call podman themselves
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("BREAST_PCR_CONTAINERS", Path.home() / ".cache" / "breast-pcr-containers"))
IMAGE = "localhost/breast-pcr:test"
BASE = "docker.io/library/debian:bookworm-slim"

_SOURCES = ("app", "deploy", "models", "operators", "pcr")
_SINGLE = ("app.yaml", "pyproject.toml", "LICENSE", "Dockerfile", ".dockerignore")
_LOCKS = ("requirements-cpu.txt", "requirements-sbom.txt")

# The flags under which the image has to work.
LOCKED_DOWN = (
    "--network", "none", "--read-only", "--tmpfs", "/tmp:rw,size=256m", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--memory", "4g", "--pids-limit", "256",
)  # fmt: skip

_missing = [tool for tool in ("podman", "runc", "mmdebstrap") if not shutil.which(tool)]
needs_podman = pytest.mark.skipif(
    bool(_missing or os.geteuid()) and not os.environ.get("CI"),
    reason=f"building images needs root and {', '.join(_missing) or 'nothing else'}; .ci/run installs what is missing",
)


def podman(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run podman on the store of the tests."""
    done = subprocess.run(["podman", *arguments], env=podman_environment(), capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"podman {arguments[0]} ended with {done.returncode}: {done.stderr[-4000:]}")
    return done


@cache
def podman_environment() -> dict[str, str]:
    """The environment that makes podman use the store of the tests, with runc and limits that any machine has."""
    CACHE.mkdir(parents=True, exist_ok=True)
    files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    storage = _written(
        "storage.conf",
        f'[storage]\ndriver = "overlay"\ngraphroot = "{CACHE}/store"\nrunroot = "{CACHE}/run"\n',
    )
    containers = _written(
        "containers.conf",
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n',
    )
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(containers)}


def _written(name: str, text: str) -> Path:
    """A file of the cache folder; a podman that runs meanwhile sees the old one or the new one, never half of it."""
    partial = CACHE / f"{name}.{os.getpid()}"
    partial.write_text(text)
    return partial.replace(CACHE / name)


@cache
def built_image() -> str:
    """Build the CPU image, unless it was built from these very files; its name."""
    key, marker = _sources_digest(), CACHE / "built"
    with _alone():
        there = podman("image", "exists", IMAGE, check=False).returncode == 0
        if there and marker.is_file() and marker.read_text() == key:
            return IMAGE
        _make_base()
        _forget_other_environments()
        build(IMAGE, _wheels(_LOCKS))
        marker.write_text(key)
    return IMAGE


def build(tag: str, wheels: Path, *options: str) -> None:
    """Build a working copy of the sources with deploy/map/build.sh, without an index of packages."""
    context = CACHE / "context"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    for name in _SOURCES:
        shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _SINGLE:
        shutil.copy2(ROOT / name, context / name)
    shutil.copytree(wheels, context / "wheelhouse", copy_function=os.link)
    # Debian's packages come from this machine's network; nothing else is fetched.
    command = [
        str(context / "deploy/map/build.sh"),
        tag,
        "--pull=never",
        "--network=host",
        "--build-arg=PIP_NO_INDEX=1",
    ]
    engine = podman_environment() | {"CONTAINER_ENGINE": "podman", "PYTHON": sys.executable}
    done = subprocess.run([*command, *options], env=engine, capture_output=True, text=True)
    shutil.rmtree(context)
    if done.returncode != 0:
        raise RuntimeError(f"the build ended with {done.returncode}: {(done.stdout + done.stderr)[-6000:]}")


def _sources_digest() -> str:
    """Of the names and contents of all files that the build is given."""
    below = (path for name in _SOURCES for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts)
    files = [*sorted(path for path in below if path.is_file()), *(ROOT / name for name in _SINGLE)]
    digest = sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)} ".encode() + content)
    return digest.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """Test processes that run at the same time build once, one after the other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_base() -> None:
    """A base equal in content to debian:bookworm-slim, made from Debian's packages."""
    if podman("image", "exists", BASE, check=False).returncode == 0:
        return
    archive = CACHE / "base.tar"
    kept = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "locale", "info")]
    tidy = 'rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/cache/* "$1"/var/log/*'
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", *kept, *left_out,
        '--aptopt=Acquire::Languages "none"', f"--customize-hook={tidy}", "bookworm", str(archive),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    podman("import", "--quiet", "--change", path, "--change", 'CMD ["bash"]', archive, BASE)
    archive.unlink()


def _wheels(locks: tuple[str, ...]) -> Path:
    """A folder with the wheels of the locks, each checked by its hash."""
    texts = [(ROOT / "deploy/map" / lock).read_bytes() for lock in locks]
    folder = CACHE / "wheels" / sha256(b"".join(texts)).hexdigest()[:16]
    if folder.is_dir():
        return folder
    shutil.rmtree(CACHE / "wheels", ignore_errors=True)
    partial = folder.with_suffix(".partial")
    for lock in locks:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary", ":all:"]
        listed = ["--require-hashes", "-r", str(ROOT / "deploy/map" / lock)]
        subprocess.run([*command, "--dest", str(partial), *listed], check=True)
    return partial.rename(folder)


def _forget_other_environments() -> None:
    """Remove images of earlier environments, gigabytes each, when the locks have changed."""
    key = sha256(b"".join((ROOT / "deploy/map" / lock).read_bytes() for lock in _LOCKS)).hexdigest()
    marker = CACHE / "environment"
    if marker.is_file() and marker.read_text() == key:
        return
    base = podman("image", "inspect", "--format", "{{.Id}}", BASE).stdout.strip()
    for image in dict.fromkeys(podman("images", "--all", "--quiet", "--no-trunc").stdout.split()):
        if not image.endswith(base):
            podman("rmi", "--force", image, check=False)
    marker.write_text(key)
