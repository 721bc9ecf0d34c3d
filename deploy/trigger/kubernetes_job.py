"""The Kubernetes Job of one attempt: what runs, what it may touch, and when it ends (API batch/v1)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from deploy.trigger.runner import Attempt
from deploy.trigger.settings import Runner as RunnerSettings

CONTAINER = "application"
# The cluster ends a job when the trigger, which counts too, no longer lives to do it.
_DEADLINE_AFTER_TIMEOUT_S = 120
_KEPT_WHEN_ENDED_S = 86_400
_GRACE_S = 5
LABELS = {"app.kubernetes.io/name": "breast-pcr", "app.kubernetes.io/component": "job"}


def job_of(attempt: Attempt, settings: RunnerSettings, state: Path) -> dict[str, Any]:
    """The Job of an attempt whose folders lie below the state folder, which is the claim that both sides mount.

    One pod, one try: whether to try again is for the queue to decide. No privileges, no token, a read-only root; that
    it has no network is the manifest `network-policies.yaml`.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": attempt.name, "labels": LABELS},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(settings.timeout_s) + _DEADLINE_AFTER_TIMEOUT_S,
            "ttlSecondsAfterFinished": _KEPT_WHEN_ENDED_S,
            "template": {"metadata": {"labels": LABELS}, "spec": _pod(attempt, settings, state)},
        },
    }


def _pod(attempt: Attempt, settings: RunnerSettings, state: Path) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": settings.kubernetes.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            # The trigger's own, who made the folders.
            "runAsUser": os.getuid(),
            "runAsGroup": os.getgid(),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(attempt, settings, state)],
        "volumes": [
            {"name": "state", "persistentVolumeClaim": {"claimName": settings.kubernetes.state_claim}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }


def _container(attempt: Attempt, settings: RunnerSettings, state: Path) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _resources(settings),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            _mount(attempt.input, "/var/holoscan/input", state, read_only=True),
            _mount(attempt.output, "/var/holoscan/output", state, read_only=False),
            *([_mount(settings.config, "/var/holoscan/app.yaml", state, read_only=True)] if settings.config else []),
        ],
    }


def _resources(settings: RunnerSettings) -> dict[str, dict[str, str]]:
    amounts = {"cpu": f"{round(settings.cpus * 1000)}m", "memory": f"{settings.memory_mib}Mi"}
    limits = amounts | ({"nvidia.com/gpu": "1"} if settings.gpu else {})
    return {"requests": amounts, "limits": limits}


def _mount(path: Path, target: str, state: Path, *, read_only: bool) -> dict[str, Any]:
    below = str(path.relative_to(state))
    return {"name": "state", "mountPath": target, "subPath": below, "readOnly": read_only}
