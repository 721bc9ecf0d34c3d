#!/bin/sh
# Entry point of the image: a verb, or else the application with its options. Exit statuses are kept.
set -eu

EXPORT=/var/run/holoscan/export

usage() {
    cat <<'TEXT'
usage: [-i INPUT] [-o OUTPUT] [-m MODELS]   run the application (default: /var/holoscan/input, /var/holoscan/output)
       --self-test                          run the stored study and compare with its stored result
       exec APP [-i INPUT] [-o OUTPUT]      the same as `monai-deploy exec`
       trigger [OPTIONS]                    run the PACS trigger
       batch [OPTIONS]                      score many studies
       show [app|pkg|sbom]                  print the manifests, or one of them, or the bill of materials, as JSON
       env                                  print the environment
       extract                              copy app, config, models and docs to /var/run/holoscan/export, or to
                                            those of the four that are mounted there
       help                                 this text
TEXT
}

complain() {
    echo "$1" >&2
    exit 2
}

show() {
    case ${1:-all} in
    app) cat "$HOLOSCAN_APP_MANIFEST_PATH" ;;
    pkg) cat "$HOLOSCAN_PKG_MANIFEST_PATH" ;;
    sbom) cat /opt/holoscan/sbom.cdx.json ;;
    all)
        echo '=== app.json ==='
        cat "$HOLOSCAN_APP_MANIFEST_PATH"
        echo '=== pkg.json ==='
        cat "$HOLOSCAN_PKG_MANIFEST_PATH"
        ;;
    *) complain "show: there is no '$1'; there are app, pkg and sbom" ;;
    esac
}

copy() {
    name=$1
    shift
    mkdir -p "$EXPORT/$name" 2>/dev/null && [ -w "$EXPORT/$name" ] ||
        complain "extract: $EXPORT/$name can not be written by user $(id -u); make it writable on the host"
    cp -R "$@" "$EXPORT/$name/"
}

extract() {
    [ -d "$EXPORT" ] || complain "extract: nothing is mounted at $EXPORT; mount a writable folder there"
    wanted=
    for name in app config models docs; do
        [ ! -d "$EXPORT/$name" ] || wanted="$wanted $name"
    done
    for name in ${wanted:-app config models docs}; do
        case $name in
        app) copy app "$HOLOSCAN_APPLICATION"/. ;;
        config) copy config "$HOLOSCAN_APP_MANIFEST_PATH" "$HOLOSCAN_PKG_MANIFEST_PATH" "$HOLOSCAN_CONFIG_PATH" ;;
        models) copy models "$HOLOSCAN_MODEL_PATH"/. ;;
        docs) copy docs "$HOLOSCAN_DOCS_PATH"/. /opt/holoscan/sbom.cdx.json ;;
        esac
    done
}

case ${1:-} in
show) shift && show "$@" ;;
env) env | sort ;;
extract) extract ;;
help) usage ;;
exec) exec python3 -m app.monai_deploy "$@" ;;
trigger) shift && exec python3 -m deploy.trigger "$@" ;;
batch) shift && exec python3 -m app.batch "$@" ;;
*) exec python3 "$HOLOSCAN_APPLICATION" "$@" ;;
esac
