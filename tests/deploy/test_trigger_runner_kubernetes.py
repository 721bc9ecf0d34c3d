"""The runner against a loopback server that stands in for a cluster's API server, since none can run here.

It takes a Job only when the published schemas of the API do (strictly, so no field is misspelt), and then plays the
states that a test gives it. Scheduling, mounts and images are not tested by it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from deploy.trigger.runner import Attempt, RunnerTimeout, RunnerUnavailable
from deploy.trigger.runner_kubernetes import Cluster, KubernetesRunner
from deploy.trigger.settings import Runner as RunnerSettings
from pcr.reasons import BadConfiguration

ACCOUNTS = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes" / "accounts.yaml"
IMAGE = "registry.example/breast-pcr:1"
NOT_FOUND: tuple[int, dict[str, Any]] = (404, {"message": "not found"})
Pod = dict[str, Any]


def pod(phase: str, **container_state: Any) -> Pod:
    return {
        "metadata": {"name": "a-pod"},
        "status": {"phase": phase, "containerStatuses": [{"state": container_state}] if container_state else []},
    }


RUNNING = pod("Running", running={})


def ended(exit_code: int, reason: str = "Error") -> Pod:
    return pod("Failed" if exit_code else "Succeeded", terminated={"exitCode": exit_code, "reason": reason})


class ApiServer:
    """Holds Jobs by name; each look at a Job's pod shows the next of `pods`, the last one from then on."""

    def __init__(self, pods: list[Pod | None]) -> None:
        self.pods = pods
        self.jobs: dict[str, dict[str, Any]] = {}
        self.posted: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.conditions: list[dict[str, Any]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None

    def answer(self, method: str, url: str, body: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(url)
        name = parts.path.rpartition("/")[2]
        if self.refusal:
            return self.refusal
        if method == "POST":
            return self._create(body)
        if method == "DELETE":
            self.deletions.append(body)
            return (200, self.jobs.pop(name)) if name in self.jobs else NOT_FOUND
        if parts.path.endswith("/log"):
            return 200, "what the application said"
        if name == "pods":
            (selector,) = parse_qs(parts.query)["labelSelector"]
            shown = self.pods.pop(0) if len(self.pods) > 1 else self.pods[0]
            return 200, {"items": [shown] if shown and selector.partition("=")[2] in self.jobs else []}
        if name == "trigger-pod":
            return 200, {"spec": {"containers": [{"image": IMAGE}]}}
        return (200, self.jobs[name]) if name in self.jobs else NOT_FOUND

    def _create(self, job: dict[str, Any]) -> tuple[int, Any]:
        kubernetes_validate.validate(job, "1.37", strict=True)
        name = job["metadata"]["name"]
        if name in self.jobs:
            return 409, {"message": "already exists"}
        self.posted.append(job)
        self.jobs[name] = job | {"status": {"conditions": self.conditions}}
        return 201, self.jobs[name]


@contextmanager
def served(api: ApiServer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            api.tokens.add(self.headers["Authorization"])
            api.requests.append((self.command, urlsplit(self.path).path))
            try:
                body = json.loads(self.rfile.read(length) or b"{}")
                status, content = api.answer(self.command, self.path, body)
            except kubernetes_validate.ValidationError as error:
                status, content = 422, {"message": error.message}
            written = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MakeRunner = Callable[..., KubernetesRunner]


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    folder = tmp_path / "work" / "breast-pcr-7-1"
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    return Attempt(name=folder.name, input=folder / "in", output=folder / "out", log=folder / "log")


@pytest.fixture
def runner_for(tmp_path: Path) -> Iterator[MakeRunner]:
    """A runner for an ApiServer, with settings of the test's."""
    servers = []

    def make(api: ApiServer, **settings: Any) -> KubernetesRunner:
        manager = served(api)
        url = manager.__enter__()
        servers.append(manager)
        token = tmp_path / "token"
        token.write_text("first\n")
        cluster = Cluster(url=url, namespace="imaging", pod="trigger-pod", token=token, ca=None)
        chosen = RunnerSettings(**{"kind": "kubernetes", "image": IMAGE, "timeout_s": 60.0} | settings)
        return KubernetesRunner(chosen, tmp_path, cluster, poll_s=0.01)

    yield make
    for manager in servers:
        manager.__exit__(None, None, None)


@pytest.mark.parametrize("status", [0, 1, 2, 3])
def test_exit_status_of_the_application_comes_back_and_the_job_is_removed(
    status: int, runner_for: MakeRunner, attempt: Attempt
) -> None:
    api = ApiServer([None, pod("Pending"), RUNNING, ended(status)])
    assert runner_for(api).run(attempt) == status
    assert api.jobs == {}
    assert api.deletions == [{"propagationPolicy": "Foreground"}]
    assert attempt.log.read_text() == "what the application said"


def test_the_job_sees_its_two_folders_of_the_claim_and_nothing_else(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([ended(0)])
    runner_for(api).run(attempt)
    spec = api.posted[0]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["/var/holoscan/input"] == {
        "name": "state", "mountPath": "/var/holoscan/input", "subPath": "work/breast-pcr-7-1/in", "readOnly": True,
    }  # fmt: skip
    assert mounts["/var/holoscan/output"]["subPath"] == "work/breast-pcr-7-1/out"
    assert mounts.keys() == {"/tmp", "/var/holoscan/input", "/var/holoscan/output"}


def test_the_job_has_no_privileges_and_no_token(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([ended(0)])
    runner_for(api).run(attempt)
    spec = api.posted[0]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]


def test_memory_processors_and_gpu_are_those_of_the_settings(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([ended(0)])
    runner_for(api, memory_mib=6144, cpus=1.5, gpu=True).run(attempt)
    (container,) = api.posted[0]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "1500m", "memory": "6144Mi", "nvidia.com/gpu": "1"}
    assert container["resources"]["requests"] == {"cpu": "1500m", "memory": "6144Mi"}


def test_a_job_that_is_there_already_is_waited_for_and_not_made_twice(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([ended(3)])
    api.jobs[attempt.name] = {"status": {}}
    assert runner_for(api).run(attempt) == 3
    assert api.posted == []


def test_a_study_that_takes_too_long_is_stopped(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([RUNNING])
    with pytest.raises(RunnerTimeout):
        runner_for(api, timeout_s=0.1).run(attempt)
    assert api.jobs == {}


def test_a_job_that_no_node_takes_is_no_fault_of_the_study(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([pod("Pending")])
    with pytest.raises(RunnerUnavailable, match="no node"):
        runner_for(api, timeout_s=0.1).run(attempt)
    assert api.jobs == {}


def test_the_clusters_own_deadline_counts_as_a_timeout(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([None])
    api.conditions = [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]
    with pytest.raises(RunnerTimeout):
        runner_for(api).run(attempt)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (pod("Pending", waiting={"reason": "ImagePullBackOff"}), "can not be started in the cluster: ImagePullBackOff"),
        (ended(137, "OOMKilled"), "raise runner.memory_mib"),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
    ],
)
def test_what_the_cluster_did_to_the_job_is_said(
    shown: Pod, said: str, runner_for: MakeRunner, attempt: Attempt
) -> None:
    with pytest.raises(RunnerUnavailable, match=said):
        runner_for(ApiServer([shown])).run(attempt)


def test_a_job_whose_pod_vanished_is_no_result(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([RUNNING, None])
    api.conditions = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]
    with pytest.raises(RunnerUnavailable, match="BackoffLimitExceeded"):
        runner_for(api).run(attempt)


def test_a_refusal_of_the_cluster_is_quoted(runner_for: MakeRunner, attempt: Attempt) -> None:
    api = ApiServer([None])
    api.refusal = (403, {"message": "exceeded quota"})
    with pytest.raises(RunnerUnavailable, match="exceeded quota"):
        runner_for(api).run(attempt)


def test_an_api_server_that_is_away_for_a_while_loses_no_study(runner_for: MakeRunner, attempt: Attempt) -> None:
    class Restarting(ApiServer):
        away = 5

        def answer(self, method: str, url: str, body: dict[str, Any]) -> tuple[int, Any]:
            if method == "GET" and self.away:
                self.away -= 1
                return 503, {"message": "starting"}
            return super().answer(method, url, body)

    assert runner_for(Restarting([ended(0)])).run(attempt) == 0


def test_a_renewed_token_is_used(runner_for: MakeRunner, attempt: Attempt, tmp_path: Path) -> None:
    api = ApiServer([ended(0)])
    runner = runner_for(api)
    runner.model()
    (tmp_path / "token").write_text("second\n")
    runner.run(attempt)
    assert api.tokens == {"Bearer first", "Bearer second"}


def test_a_job_of_a_killed_trigger_is_ended_and_an_absent_one_is_no_trouble(runner_for: MakeRunner) -> None:
    api = ApiServer([RUNNING])
    api.jobs["left"] = {}
    runner = runner_for(api)
    runner.stop("left")
    runner.stop("left")
    assert api.jobs == {}


def test_every_request_is_one_that_the_role_of_the_manifests_allows(runner_for: MakeRunner, attempt: Attempt) -> None:
    (role,) = (m for m in yaml.safe_load_all(ACCOUNTS.read_text()) if m["kind"] == "Role")
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    api = ApiServer([RUNNING, ended(0)])
    runner = runner_for(api)
    runner.model()
    runner.run(attempt)
    assert {_wanted(*request) for request in api.requests} == allowed


def _wanted(method: str, path: str) -> tuple[str, str, str]:
    """Group, resource and verb of a request, as the API server names them to its authorizer."""
    root, rest = path.split("/namespaces/imaging/")
    kind, _, rest = rest.partition("/")
    name, _, sub = rest.partition("/")
    verb = {"POST": "create", "DELETE": "delete", "GET": "get" if name else "list"}[method]
    return {"/api/v1": "", "/apis/batch/v1": "batch"}[root], f"{kind}/{sub}" if sub else kind, verb


def test_stop_does_not_insist_where_the_cluster_refuses_it(runner_for: MakeRunner) -> None:
    api = ApiServer([RUNNING])
    api.refusal = (403, {"message": "no"})
    runner_for(api).stop("left")
    assert [method for method, _ in api.requests] == ["DELETE"]


def test_the_model_is_that_of_the_image_which_trigger_and_jobs_share(runner_for: MakeRunner) -> None:
    name, version, checksum = runner_for(ApiServer([None])).model().rsplit(" ", 2)
    assert name and version and len(checksum) == 64


def test_jobs_of_another_image_than_the_triggers_are_refused(runner_for: MakeRunner) -> None:
    with pytest.raises(BadConfiguration, match="give both the same"):
        runner_for(ApiServer([None]), image="registry.example/other:2").model()


def test_an_application_configuration_out_of_the_jobs_sight_is_refused(runner_for: MakeRunner) -> None:
    with pytest.raises(BadConfiguration, match="below the state folder"):
        runner_for(ApiServer([None]), config="/etc/app.yaml")


def test_a_trigger_that_is_no_pod_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="pod with a service account"):
        Cluster.around({}, tmp_path)


def test_the_cluster_is_the_one_around_the_pod(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("imaging\n")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443", "HOSTNAME": "me"}
    cluster = Cluster.around(environment, tmp_path)
    assert (cluster.url, cluster.namespace, cluster.pod) == ("https://[fd00::1]:443", "imaging", "me")
