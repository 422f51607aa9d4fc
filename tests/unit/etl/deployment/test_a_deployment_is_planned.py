"""Names and decisions of a deployment, without sending anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.packaging import Packages
from etl.deployment.stack_build import StackBuild


def a_build(template: str = "{}") -> StackBuild:
    return StackBuild(
        stack="s",
        template=template,
        parameters={},
        tags={},
        artifact_bucket="b",
        packages=Packages(functions={}, layers={}),
    )


def test_the_artifact_bucket_is_named_after_stack_account_and_region():
    name = artifact_bucket_name("Telemetry", "123456789012", "eu-central-1")
    assert name == "telemetry-artifacts-123456789012-eu-central-1"


def test_a_long_stack_name_is_cut_to_what_s3_takes():
    name = artifact_bucket_name("a-" * 60, "123456789012", "ap-southeast-2")
    assert len(name) <= 63
    assert "--" not in name


def test_a_large_template_goes_by_way_of_the_bucket():
    assert a_build().template_fits_request
    assert not a_build("x" * 51_201).template_fits_request
    assert a_build("x" * 51_201).template_key.startswith("templates/")


def test_only_what_the_bucket_lacks_is_uploaded(tmp_path, monkeypatch):
    uploads = {"layers/a.zip": tmp_path / "a", "functions/b.zip": tmp_path / "b"}
    monkeypatch.setattr(Packages, "uploads", property(lambda _: uploads))
    assert a_build().missing({"layers/a.zip", "old.zip"}) == {"functions/b.zip": tmp_path / "b"}
    assert a_build().missing(set(uploads)) == {}


def test_every_parameter_of_the_template_has_a_value(settings, template):
    given = settings.parameters("bucket")
    assert set(given) == set(template["Parameters"])
    assert given["ArtifactBucket"] == "bucket"
    assert all(isinstance(value, str) for value in given.values())


@pytest.mark.parametrize(
    ("field", "value", "parameter", "expected"),
    [
        ("trigger_mode", "queue", "TriggerMode", "queue"),
        ("subnet_ids", ("subnet-1", "subnet-2"), "SubnetIds", "subnet-1,subnet-2"),
        ("tolerated_failure_share", 0.25, "ToleratedFailureShare", "0.25"),
    ],
)
def test_settings_become_parameters(settings, field, value, parameter, expected):
    assert replace(settings, **{field: value}).parameters("b")[parameter] == expected
