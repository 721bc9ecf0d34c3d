#!/bin/sh
# Builds the image: deploy/map/build.sh TAG [options of docker or podman build, as --build-arg=ACCELERATOR=gpu].
# CONTAINER_ENGINE names the builder (default: docker where its engine answers, else podman), PYTHON any Python from 3.8.
set -eu

[ $# -ge 1 ] || { echo "usage: deploy/map/build.sh TAG [options of docker or podman build]" >&2; exit 2; }
tag=$1
shift
cd "$(dirname "$0")/../.."

if [ -n "${CONTAINER_ENGINE:-}" ]; then
    engine=$CONTAINER_ENGINE
elif docker info >/dev/null 2>&1; then
    engine=docker
elif command -v podman >/dev/null; then
    engine=podman
else
    echo "build.sh: no Docker engine answers and there is no podman; start the one or install the other" >&2
    exit 2
fi

labels=$("${PYTHON:-python3}" -m deploy.map labels)
# No value has a space in it.
# shellcheck disable=SC2086
exec "$engine" build $labels "$@" --tag "$tag" .
