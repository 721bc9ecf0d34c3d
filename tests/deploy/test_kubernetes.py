"""The manifests against the published schemas of the API, and among each other. No cluster has seen them here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from deploy.trigger.kubernetes_job import job_of
from deploy.trigger.runner import Attempt
from deploy.trigger.settings import TriggerSettings, read_trigger_settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.37")
FILES = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml", FOLDER / "trigger.yaml"})
IMAGE_VARIABLE = "BREAST_PCR_TRIGGER_RUNNER__IMAGE"

Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    return [document for path in FILES for document in yaml.safe_load_all(path.read_text())]


def only(kind: str, name: str | None = None) -> Manifest:
    (found,) = (m for m in manifests() if m["kind"] == kind and name in (None, m["metadata"]["name"]))
    return found


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> TriggerSettings:
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    (variable,) = container["env"]
    assert variable == {"name": IMAGE_VARIABLE, "value": container["image"]}
    monkeypatch.setenv(IMAGE_VARIABLE, variable["value"])
    return read_trigger_settings(FOLDER / "trigger.yaml")


@pytest.fixture
def job(settings: TriggerSettings) -> Manifest:
    folder = settings.state / "work" / "breast-pcr-1-1"
    attempt = Attempt(name=folder.name, input=folder / "in", output=folder / "out", log=folder / "log")
    return job_of(attempt, settings.runner, settings.state)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_manifest_fits_the_schema(path: Path, version: str) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_job_of_a_study_fits_the_schema(job: Manifest, version: str) -> None:
    kubernetes_validate.validate(job, version, strict=True)


def test_every_pod_meets_the_restricted_standard_that_the_namespace_enforces(job: Manifest) -> None:
    assert only("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in (only("Deployment")["spec"]["template"]["spec"], job["spec"]["template"]["spec"]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not any("hostPath" in volume for volume in pod["volumes"])
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_jobs_have_no_network_at_all(job: Manifest) -> None:
    policy = only("NetworkPolicy", "breast-pcr-job")["spec"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert not policy.keys() & {"ingress", "egress"}


def test_the_trigger_reaches_and_is_reached_by_named_ends_only() -> None:
    policy = only("NetworkPolicy", "breast-pcr-trigger")["spec"]
    pod = only("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= pod.items()
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    for rule in policy["ingress"] + policy["egress"]:
        assert rule.get("from") or rule.get("to")
        assert rule["ports"]
        for end in rule.get("from", []) + rule.get("to", []):
            assert end.get("namespaceSelector") or end["ipBlock"]["cidr"].endswith("/32")


def test_service_and_policies_find_the_ports_that_the_settings_name(settings: TriggerSettings) -> None:
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.metrics is not None
    assert ports == {"dicom": settings.listener.port, "metrics": settings.metrics.port}
    service = only("Service")["spec"]
    assert [port["targetPort"] for port in service["ports"]] == ["dicom"]
    assert service["selector"] == only("Deployment")["spec"]["selector"]["matchLabels"]
    named = {port["port"] for rule in only("NetworkPolicy", "breast-pcr-trigger")["spec"]["ingress"]
             for port in rule["ports"]}  # fmt: skip
    assert named == ports.keys()


def test_trigger_and_jobs_mount_the_same_claim(settings: TriggerSettings, job: Manifest) -> None:
    claim = only("PersistentVolumeClaim")["metadata"]["name"]
    pod = only("Deployment")["spec"]["template"]["spec"]
    for volumes in (pod["volumes"], job["spec"]["template"]["spec"]["volumes"]):
        assert [v["persistentVolumeClaim"]["claimName"] for v in volumes if v["name"] == "state"] == [claim]
    (container,) = pod["containers"]
    assert {"name": "state", "mountPath": str(settings.state)} in container["volumeMounts"]


def test_there_is_one_trigger_and_never_two() -> None:
    deployment = only("Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")


def test_the_role_belongs_to_the_trigger_and_the_job_has_none(job: Manifest) -> None:
    binding = only("RoleBinding")
    (subject,) = binding["subjects"]
    assert subject["name"] == only("Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert only("ServiceAccount", account)["automountServiceAccountToken"] is False
    assert subject["name"] != account


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_gives_the_jobs_the_image_of_the_trigger(tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "site")
    kustomization = copy / "kustomization.yaml"
    kustomization.write_text(
        kustomization.read_text().replace("newName: registry.example", "newName: hospital.example")
    )
    built = subprocess.run(["kubectl", "kustomize", str(copy)], capture_output=True, text=True, check=True).stdout
    documents = list(yaml.safe_load_all(built))
    for document in documents:
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    (pod,) = (d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment")
    (container,) = pod["containers"]
    assert container["image"] == container["env"][0]["value"]
    assert container["image"].startswith("hospital.example/")
    (settings,) = (d for d in documents if d["kind"] == "ConfigMap")
    assert settings["metadata"]["name"] in [v.get("configMap", {}).get("name") for v in pod["volumes"]]
