"""What CloudFormation replaces, by its own schemas; and what a replacement loses."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from etl.deployment.replacement import (
    CONTENTS,
    CREATE_ONLY_FILE,
    create_only,
    lost_contents,
    replaces,
)
from tests.unit.etl.deployment.schemas import schemas, types_of


def create_only_of(schema: dict[str, Any]) -> list[str]:
    paths = [path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", [])]
    return sorted({path for path in paths if "/" not in path})


def test_the_table_is_what_the_schemas_say_of_every_type_in_the_templates(templates):
    used = types_of(templates["core"]) | types_of(templates["platform"])
    names = sorted(used | json.loads(CREATE_ONLY_FILE.read_text()).keys())
    found = {name: create_only_of(schemas()[name]) for name in names if name in schemas()}
    wanted = {name: properties for name, properties in found.items() if properties}
    if os.environ.get("UPDATE_GOLDEN"):
        CREATE_ONLY_FILE.write_text(json.dumps(wanted, indent=2) + "\n")
    assert json.loads(CREATE_ONLY_FILE.read_text()) == wanted, "UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("AWS::SQS::Queue", {"QueueName"}, True),
        ("AWS::SQS::Queue", {"VisibilityTimeout"}, False),
        ("AWS::Lambda::LayerVersion", {"Content"}, True),
        ("AWS::Some::Thing", {"Name"}, False),
    ],
)
def test_a_property_that_is_set_at_creation_alone_replaces(kind, properties, expected):
    assert replaces(kind, properties) is expected


def test_what_holds_data_is_lost_unless_it_is_kept():
    assert lost_contents("AWS::S3::Bucket", "Delete") == "every object in it"
    assert lost_contents("AWS::S3::Bucket", "Retain") == ""
    assert lost_contents("AWS::RDS::DBInstance", "Snapshot") == ""
    assert lost_contents("AWS::IAM::Role", "Delete") == ""
    assert set(CONTENTS) - set(create_only()) <= {"AWS::KMS::Key", "AWS::RDS::DBCluster"}
