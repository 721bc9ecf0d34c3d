"""Runs a study as a Kubernetes Job; the folders travel on the claim that trigger and jobs share."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.trigger.kubernetes_job import CONTAINER, job_of
from deploy.trigger.runner import Attempt, RunnerTimeout, RunnerUnavailable
from deploy.trigger.runner_process import ProcessRunner
from deploy.trigger.settings import Runner as RunnerSettings
from pcr.reasons import BadConfiguration

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REQUEST_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 60.0
_LOG_LINES = 5000
# Waiting reasons of a container that the kubelet does not get over by itself, or only when somebody mends the image.
_HOPELESS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff",
     "InvalidImageName", "RunContainerError"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the API server is, and as whom the trigger speaks to it.

    Attributes:
        pod: name of the pod that the trigger runs in.
        token: file of the service account's token, which the cluster renews.
        ca: file of the certificate authority; None where the URL is not https.
    """

    url: str
    namespace: str
    pod: str
    token: Path
    ca: Path | None

    @classmethod
    def around(cls, environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> Cluster:
        """The cluster that this process is a pod of.

        Raises:
            BadConfiguration: it is in none, or has no service account.
        """
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
        if not host or not port or not (account / "token").is_file():
            raise BadConfiguration("runner.kind kubernetes needs the trigger to be a pod with a service account")
        address = f"[{host}]" if ":" in host else host
        return cls(
            url=f"https://{address}:{port}",
            namespace=(account / "namespace").read_text("ascii").strip(),
            pod=environment.get("HOSTNAME") or socket.gethostname(),
            token=account / "token",
            ca=account / "ca.crt",
        )


class KubernetesRunner:
    """A Job per attempt, created, watched and removed through the API server."""

    def __init__(
        self, settings: RunnerSettings, state: Path, cluster: Cluster | None = None, poll_s: float = 2.0
    ) -> None:
        """The state folder is the root of the claim; a job is looked at every `poll_s` seconds.

        Raises:
            BadConfiguration: the trigger is no pod, or the settings can not be honoured in a cluster.
        """
        if settings.config and not settings.config.is_relative_to(state):
            raise BadConfiguration("runner.config must lie below the state folder, which is all that jobs can see")
        self._settings = settings
        self._state = state
        self._cluster = cluster or Cluster.around()
        self._poll_s = poll_s
        namespace = settings.kubernetes.namespace or self._cluster.namespace
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        ca = self._cluster.ca
        self._client = httpx.Client(
            base_url=self._cluster.url,
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            auth=self._authorize,
            timeout=_REQUEST_TIMEOUT_S,
            trust_env=False,
        )

    def model(self) -> str:
        """The model of the image, told by the trigger's own copy: jobs have to run the image that the trigger runs."""
        try:
            pod = self._get(f"/api/v1/namespaces/{self._cluster.namespace}/pods/{self._cluster.pod}")
        except RunnerUnavailable as error:
            raise BadConfiguration(f"runner.kind kubernetes: {error}") from None
        images = [container["image"] for container in (pod or {"spec": {"containers": []}})["spec"]["containers"]]
        if self._settings.image not in images:
            own = ", ".join(images) or "not to be seen"
            raise BadConfiguration(
                f"runner.image is {self._settings.image}, the trigger's own is {own}; give both the same, "
                "since the trigger tells by its own which model the jobs run"
            )
        return ProcessRunner(self._settings).model()

    def run(self, attempt: Attempt) -> int:
        """Create the attempt's Job, wait for it, keep its log, remove it."""
        try:
            created = self._request("POST", self._jobs, json=job_of(attempt, self._settings, self._state))
            # The name is nobody else's: what is there already is this attempt.
            if created.status_code != httpx.codes.CONFLICT:
                _refuse(created)
            return self._wait(attempt)
        finally:
            self.stop(attempt.name)

    def stop(self, name: str) -> None:
        """Delete the Job of that name and wait until its pod is gone.

        Where the API server is out of reach, the job's own deadline ends it.
        """
        until = time.monotonic() + _STOP_TIMEOUT_S
        with contextlib.suppress(RunnerUnavailable):
            # In the foreground: the Job is gone only when its pod is.
            deleted = self._request("DELETE", f"{self._jobs}/{name}", json={"propagationPolicy": "Foreground"})
            while not deleted.is_client_error and time.monotonic() < until:
                time.sleep(self._poll_s)
                deleted = self._request("GET", f"{self._jobs}/{name}")

    def _wait(self, attempt: Attempt) -> int:
        until = time.monotonic() + self._settings.timeout_s
        started = False
        while True:
            trouble = None
            try:
                pod = self._pod(attempt.name)
                status = _exit_status(pod, self._settings)
                if status is not None:
                    self._keep_log(pod, attempt.log)
                    return status
                started = started or pod.get("status", {}).get("phase") == "Running"
                self._refuse_ended(attempt.name)
            except _Unanswered as error:  # the API server is away; the job may go on all the same
                trouble = error
            if time.monotonic() >= until:
                if trouble:
                    raise trouble
                if started:
                    raise RunnerTimeout
                raise RunnerUnavailable("no node of the cluster has started the job in the time that it may take")
            time.sleep(self._poll_s)

    def _pod(self, name: str) -> dict[str, Any]:
        found = self._get(self._pods, labelSelector=f"batch.kubernetes.io/job-name={name}")
        pods = (found or {}).get("items") or [{}]
        return dict(pods[0])

    def _refuse_ended(self, name: str) -> None:
        """Raise where the Job is over although no pod of it told an exit status."""
        job = self._get(f"{self._jobs}/{name}")
        if job is None:
            raise RunnerUnavailable("somebody has deleted the job")
        for condition in job.get("status", {}).get("conditions") or []:
            if condition["type"] == "Failed" and condition["status"] == "True":
                if condition.get("reason") == "DeadlineExceeded":
                    raise RunnerTimeout
                # Its pod ended between the two looks, or vanished with its node.
                if _exit_status(self._pod(name), self._settings) is None:
                    raise RunnerUnavailable(f"the job failed without an exit status ({condition.get('reason')})")

    def _keep_log(self, pod: dict[str, Any], path: Path) -> None:
        with contextlib.suppress(RunnerUnavailable):
            name = pod["metadata"]["name"]
            wanted = {"container": CONTAINER, "tailLines": str(_LOG_LINES)}
            log = self._request("GET", f"{self._pods}/{name}/log", params=wanted)
            if log.is_success:
                path.write_bytes(log.content)

    def _get(self, path: str, **parameters: str) -> dict[str, Any] | None:
        """An object of the cluster; None where there is none."""
        answer = self._request("GET", path, params=parameters)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return dict(_refuse(answer).json())

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **arguments)
        except (httpx.HTTPError, OSError) as error:
            raise _Unanswered(f"the API server of the cluster does not answer ({type(error).__name__})") from None

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        token = self._cluster.token.read_text("ascii").strip()
        request.headers["Authorization"] = f"Bearer {token}"
        return request


class _Unanswered(RunnerUnavailable):
    """The API server could not be asked; what it was to be asked about may be well."""


def _refuse(answer: httpx.Response) -> httpx.Response:
    """Raise where the API server says no."""
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise _Unanswered(f"the API server of the cluster is not ready (status {answer.status_code})")
    if not answer.is_success:
        raise RunnerUnavailable(f"the cluster refuses the job (status {answer.status_code}): {_told(answer)}")
    return answer


def _told(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return "it does not say why"


def _exit_status(pod: dict[str, Any], settings: RunnerSettings) -> int | None:
    """Exit status of the application in a pod; None while there is none.

    Raises:
        RunnerUnavailable: there will be none, or it says nothing of the study.
    """
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        ended = container.get("state", {}).get("terminated")
        if ended and ended.get("reason") == "OOMKilled":
            raise RunnerUnavailable(f"{settings.memory_mib} MiB of memory were too little; raise runner.memory_mib")
        if ended:
            return int(ended["exitCode"])
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            raise RunnerUnavailable(f"{settings.image} can not be started in the cluster: {waiting['reason']}")
    if status.get("phase") == "Failed":
        raise RunnerUnavailable(f"the cluster has ended the job's pod ({status.get('reason') or 'no reason given'})")
    return None
