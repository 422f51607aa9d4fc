"""Layers, state machine and change set: each passes, and each failure is provoked once."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etl.deployment.packaging import Packages
from etl.deployment.stack_build import StackBuild
from etl.doctor import deployment
from etl.doctor.deployment import check_build, check_change_set, check_definition
from etl.doctor.layer_binaries import binary_problems
from layers.target import RuntimeTarget
from tests.fixtures.cloudformation import FakeFormation
from tests.unit.etl.doctor.stubbed import account

ARM = RuntimeTarget(python="3.13", architecture="arm64")
X86, AARCH = 0x3E, 0xB7
MODULE = "python/a/b.cpython-313-aarch64-linux-gnu.so"


def layer(folder: Path, **modules: int) -> Path:
    """A layer's zip with modules by name (``__`` for what a name can't have), and their machine."""
    file = folder / "layer.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("python/a/__init__.py", "")
        for name, machine in modules.items():
            header = b"\x7fELF" + bytes(14) + struct.pack("<H", machine)
            archive.writestr(name, header + bytes(64))
    return file


def test_modules_for_this_processor_and_python_pass(tmp_path: Path) -> None:
    modules = {MODULE: AARCH, "python/p/_p.abi3.so": AARCH, "python/libs/libpq-1.so.5.17": AARCH}
    assert list(binary_problems(layer(tmp_path, **modules), ARM)) == []


def test_modules_for_another_processor_or_python_are_named(tmp_path: Path) -> None:
    modules = {
        "python/libs/libpq-1.so.5.17": X86,
        "python/a/b.cpython-311-aarch64-linux-gnu.so": AARCH,
    }
    assert list(binary_problems(layer(tmp_path, **modules), ARM)) == [
        "python/libs/libpq-1.so.5.17 is built for x86_64",
        "python/a/b.cpython-311-aarch64-linux-gnu.so is built for Python 3.11",
    ]


def test_a_module_of_another_system_passes_on_this_machine_alone(tmp_path: Path) -> None:
    file = tmp_path / "layer.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("python/p/_p.abi3.so", b"\xcf\xfa\xed\xfe" + bytes(64))  # of macOS
    here = RuntimeTarget(python="3.13", architecture="arm64", host=True)
    assert list(binary_problems(file, here)) == []
    assert list(binary_problems(file, ARM)) == ["python/p/_p.abi3.so is built for another system"]


def test_a_layer_of_this_machine_fails_for_functions_of_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = SimpleNamespace(path=layer(tmp_path, **{MODULE: X86}))
    build = SimpleNamespace(
        core=SimpleNamespace(packages=SimpleNamespace(layers={"polars": wrong}))
    )
    monkeypatch.setattr(deployment, "read_current_state", lambda *_, **__: None)
    monkeypatch.setattr(deployment, "refuse_stuck", lambda _: None)
    monkeypatch.setattr(deployment, "build_deployment", lambda *_: build)
    with account() as aws:
        [found] = check_build(aws.examination())
    assert found.status == "fail"
    assert f"polars: {MODULE} is built for x86_64" in found.finding


def validated(answer: dict[str, Any]) -> Any:
    with account() as aws:
        client = aws.stub("stepfunctions").client
        asked: dict[str, Any] = {}

        def validate(**request: Any) -> dict[str, Any]:
            asked.update(request)
            return answer

        client.validate_state_machine_definition = validate
        [found] = check_definition(aws.examination())
    return found, asked


def test_the_definition_is_validated_as_it_will_be_with_nothing_left_to_substitute() -> None:
    found, asked = validated({"result": "OK", "diagnostics": []})
    assert found.status == "pass"
    definition = json.loads(asked["definition"])
    assert definition["StartAt"] in definition["States"]
    assert "${" not in asked["definition"]
    assert "arn:aws:lambda:eu-central-1:123456789012:function:plant-doctor" in asked["definition"]


def test_a_refused_definition_fails_with_the_services_words() -> None:
    diagnostics = [{"code": "SCHEMA_VALIDATION_FAILED", "location": "/States", "message": "no"}]
    found, _ = validated({"result": "FAIL", "diagnostics": diagnostics})
    assert (found.status, found.finding) == ("fail", "SCHEMA_VALIDATION_FAILED /States: no")


def large_build(template: str) -> Any:
    core = StackBuild(
        stack="plant",
        template=template,
        parameters={},
        tags={"Pipeline": "fleet"},
        artifact_bucket="b",
        packages=Packages(functions={}, layers={}),
        role="arn:aws:iam::123456789012:role/cfn",
    )
    return SimpleNamespace(core=core)


def change_set(
    monkeypatch: pytest.MonkeyPatch, formation: FakeFormation, plan: Any, build: Any
) -> list[Any]:
    monkeypatch.setattr(deployment, "make_plan", lambda *_, **__: (plan, build))
    monkeypatch.setattr(deployment, "intact_keys", lambda *_: set())
    monkeypatch.setattr(deployment, "owned_s3", lambda _: None)
    with account() as aws:
        aws.target._clients.update(cloudformation=formation, s3=None)
        return list(check_change_set(aws.examination(may_create_change_set=True)))


def test_before_a_first_deployment_a_small_one_is_made_and_its_empty_stack_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    formation = FakeFormation()
    small, template = change_set(monkeypatch, formation, None, large_build("x" * 51_201))
    assert (small.status, template.status) == ("pass", "not checked")
    assert formation.stacks["plant"].status == "DELETE_COMPLETE"
    assert formation.log == []
    [request] = formation.requests
    assert request["RoleARN"] == "arn:aws:iam::123456789012:role/cfn"


def test_cloudformations_doubts_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = [
        SimpleNamespace(stack="plant-platform", remarks=[], resources=[1, 2]),
        SimpleNamespace(stack="plant", remarks=["The outputs aren't known yet."], resources=[]),
    ]
    plan = SimpleNamespace(stacks=reviews)
    platform, core = change_set(monkeypatch, FakeFormation(), plan, large_build("{}"))
    assert (platform.status, core.status) == ("pass", "not checked")
    assert "(2 resources)" in platform.finding
    assert core.finding == "The outputs aren't known yet."


def test_without_consent_no_change_set_is_made() -> None:
    with account() as aws:
        [found] = check_change_set(aws.examination())
    assert found.status == "not checked"
    assert "--read-only" in found.remedy
