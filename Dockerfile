# The application as a MONAI Application Package (MAP). `make image` builds it; docs/container.md tells more.

FROM debian:bookworm-slim AS system
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3.11 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*


# The Python environment: every file by its hash; with a filled wheelhouse/ and PIP_NO_INDEX=1, without a network.
FROM system AS environment
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3.11-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3.11 -m venv /opt/pip \
    && python3.11 -m venv --without-pip /opt/venv
ARG ACCELERATOR=cpu
ARG PIP_NO_INDEX
# A pattern, because the folder may be absent.
COPY deploy/map/requirements-${ACCELERATOR}.txt wheelhous[e] /build/
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --find-links /build -r /build/requirements-${ACCELERATOR}.txt \
    && rm -rf /build
COPY deploy/map/prune.sh /build/
# Holoscan makes links inside itself when Python first starts: only root can, only with all its files and pip there.
RUN PYTHONPATH=/opt/pip/lib/python3.11/site-packages /opt/venv/bin/python -c pass \
    && ls /opt/venv/lib/python3.11/site-packages/holoscan_cu13-*.dist-info/axle.done \
    && sh /build/prune.sh /opt/venv/lib/python3.11/site-packages \
    && echo /opt/holoscan/app >/opt/venv/lib/python3.11/site-packages/breast-pcr.pth


# What is in the image, listed by a tool that does not stay there.
FROM environment AS inventory
ARG PIP_NO_INDEX
COPY deploy/map/requirements-sbom.txt wheelhous[e] /build/
RUN python3.11 -m venv --without-pip /opt/sbom \
    && /opt/pip/bin/pip --python /opt/sbom/bin/python install --quiet --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --find-links /build -r /build/requirements-sbom.txt
COPY --from=system /var/lib/dpkg /build/dpkg
COPY deploy/map/sbom.py pcr/__init__.py models/pcr/configs/metadata.json /build/
RUN /opt/sbom/bin/python /build/sbom.py --environment /opt/venv --dpkg /build/dpkg --software /build/__init__.py \
        --model /build/metadata.json --out /build/sbom.cdx.json


# The application folder and its manifests, readable by every user.
FROM environment AS application
ARG ACCELERATOR=cpu
ARG VERSION
ARG SDK_VERSION
ARG MODEL_VERSION
ARG MODEL_SHA256
RUN if [ -z "$VERSION$SDK_VERSION$MODEL_VERSION$MODEL_SHA256" ]; then \
        echo "The labels have no values; build with 'make image' or deploy/map/build.sh, which give them." >&2; exit 1; \
    fi
COPY app.yaml LICENSE /image/opt/holoscan/app/
COPY deploy/map/application.py /image/opt/holoscan/app/__main__.py
COPY app /image/opt/holoscan/app/app
COPY operators /image/opt/holoscan/app/operators
COPY pcr /image/opt/holoscan/app/pcr
COPY deploy /image/opt/holoscan/app/deploy
COPY models /image/opt/holoscan/models
COPY deploy/map/tools.sh /image/var/holoscan/tools
COPY deploy/map/monai-deploy.py /image/opt/venv/bin/monai-deploy
COPY --from=inventory /build/sbom.cdx.json /image/opt/holoscan/
RUN cd /image/opt/holoscan/app \
    && python=/opt/venv/bin/python \
    && $python -m deploy.map manifests --models ../models --accelerator "$ACCELERATOR" /image/etc/holoscan \
    && $python -m deploy.map check --models ../models --version "$VERSION" --sdk-version "$SDK_VERSION" \
        --model-version "$MODEL_VERSION" --model-sha256 "$MODEL_SHA256" \
    && ln -s holoscan /image/etc/monai \
    && mkdir -p ../docs /image/var/holoscan/input \
    && mkdir -m 1777 /image/var/holoscan/output /image/var/holoscan/logs \
    && mv LICENSE ../docs/ \
    && cp app.yaml /image/var/holoscan/ \
    && $python -m compileall -q --invalidation-mode unchecked-hash -s /image . \
    && chmod -R a+rX /image \
    && chmod 0755 /image/var/holoscan/tools /image/opt/venv/bin/monai-deploy


FROM system
RUN groupadd --gid 1000 holoscan && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp holoscan
COPY --from=environment /opt/venv /opt/venv
COPY --from=application /image/ /

ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HOLOSCAN_APPLICATION=/opt/holoscan/app \
    HOLOSCAN_INPUT_PATH=/var/holoscan/input \
    HOLOSCAN_OUTPUT_PATH=/var/holoscan/output \
    HOLOSCAN_WORKDIR=/var/holoscan \
    HOLOSCAN_MODEL_PATH=/opt/holoscan/models \
    HOLOSCAN_CONFIG_PATH=/var/holoscan/app.yaml \
    HOLOSCAN_DOCS_PATH=/opt/holoscan/docs \
    HOLOSCAN_LOGS_PATH=/var/holoscan/logs \
    HOLOSCAN_APP_MANIFEST_PATH=/etc/holoscan/app.json \
    HOLOSCAN_PKG_MANIFEST_PATH=/etc/holoscan/pkg.json \
    HOLOSCAN_TIMEOUT=0

ARG VERSION
ARG REVISION
ARG CREATED
ARG SDK_VERSION
ARG MODEL_VERSION
ARG MODEL_SHA256
LABEL org.opencontainers.image.title="breast-pcr" \
      org.opencontainers.image.description="Probability of pathological complete response from breast DCE-MRI. Research use only." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-NC-4.0" \
      org.opencontainers.image.vendor="The breast-pcr contributors" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      org.monai.deploy.app-sdk="$SDK_VERSION" \
      org.breast-pcr.model.version="$MODEL_VERSION" \
      org.breast-pcr.model.sha256="$MODEL_SHA256"

USER 1000:1000
WORKDIR /var/holoscan
ENTRYPOINT ["/var/holoscan/tools"]
