"""The Argo template against the models of Argo's API, and the clinical workflow against what the Workflow Manager asks.

The Workflow Manager publishes no schema; what its validator refuses is repeated here as far as this workflow goes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hera.workflows.models import WorkflowTemplate

ROOT = Path(__file__).resolve().parents[2]
# What the Workflow Manager's Argo plug-in takes as `args`.
ARGO_ARGUMENTS = {
    "namespace", "server_url", "allow_insecure", "workflow_template_name", "timeoutSeconds", "apiToken", "endpoint",
    "username", "password", "exchange", "virtualHost", "resources", "parameters", "priority", "cpu", "memory",
    "gpu_required",
}  # fmt: skip


@pytest.fixture
def template() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "deploy/argo/workflow-template.yaml").read_text()))


@pytest.fixture
def workflow() -> dict[str, Any]:
    return dict(json.loads((ROOT / "deploy/argo/clinical-workflow.json").read_text()))


def test_argo_knows_every_entry_of_the_template(template: dict[str, Any]) -> None:
    # The models pass over what they do not know, so it would be missing from what they write again.
    parsed = WorkflowTemplate.model_validate(template)
    assert json.loads(parsed.model_dump_json(by_alias=True, exclude_none=True)) == template


def test_the_container_of_the_template_is_confined(template: dict[str, Any]) -> None:
    (step,) = template["spec"]["templates"]
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert step["container"]["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_the_template_starts_the_image_as_the_image_starts_itself(template: dict[str, Any]) -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    (step,) = template["spec"]["templates"]
    assert step["container"]["command"] == json.loads(entry)


def test_the_workflow_runs_the_template_with_its_artifacts(template: dict[str, Any], workflow: dict[str, Any]) -> None:
    task = workflow["tasks"][0]
    assert task["args"]["workflow_template_name"] == template["metadata"]["name"]
    (step,) = template["spec"]["templates"]
    assert template["spec"]["entrypoint"] == step["name"]
    for side in ("input", "output"):
        (artifact,) = step[side + "s"]["artifacts"]
        assert [a["name"] for a in task["artifacts"][side]] == [artifact["name"]]
        assert artifact["path"] == f"/var/holoscan/{side}"


def test_the_workflow_manager_finds_nothing_to_refuse(workflow: dict[str, Any]) -> None:
    gateway, tasks = workflow["informatics_gateway"], workflow["tasks"]
    assert workflow["name"] and workflow["version"]
    assert 0 < len(gateway["ae_title"]) < 16
    for task in tasks:
        assert re.fullmatch(r"[a-zA-Z0-9-_]+", task["id"])
        assert task["type"] in ("argo", "export")
        assert all(artifact["name"] and artifact["value"] for artifact in task["artifacts"]["input"])
        assert {d["name"] for d in task.get("export_destinations", [])} <= set(gateway["export_destinations"])
    ids = [task["id"] for task in tasks]
    assert [d["name"] for task in tasks for d in task.get("task_destinations", [])] == ids[1:]


def test_arguments_of_the_task_are_those_of_the_argo_plugin(workflow: dict[str, Any]) -> None:
    arguments = workflow["tasks"][0]["args"]
    assert arguments.keys() <= ARGO_ARGUMENTS
    assert all(isinstance(value, str) for value in arguments.values())


def test_what_is_exported_is_the_output_of_the_task(workflow: dict[str, Any]) -> None:
    first, export = workflow["tasks"]
    (output,) = first["artifacts"]["output"]
    (exported,) = export["artifacts"]["input"]
    assert exported["value"].split() == ["{{", f"context.executions.{first['id']}.artifacts.{output['name']}", "}}"]
