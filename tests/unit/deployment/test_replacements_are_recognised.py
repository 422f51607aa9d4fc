"""What CloudFormation replaces, by its own schemas; and what a replacement loses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cfnlint
import pytest

from workflow.deployment.replacement import (
    CREATE_ONLY_FILE,
    HOLDS,
    create_only,
    replaces,
    what_is_lost,
)

GOLDEN = Path(__file__).parents[1] / "workflow" / "golden"
SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"


def schemas() -> dict[str, list[str]]:
    """Resource type to its create-only properties, as cfn-lint has them of CloudFormation."""
    found = {}
    for path in SCHEMAS.glob("**/*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(schema, dict) and "typeName" in schema:
            paths = [p.removeprefix("/properties/") for p in schema.get("createOnlyProperties", [])]
            found[schema["typeName"]] = sorted({p for p in paths if "/" not in p})
    return found


def test_the_table_is_what_the_schemas_say_of_every_type_in_the_templates():
    known = schemas()
    used = {
        resource["Type"]
        for name in ("template.json", "platform.json")
        for resource in json.loads((GOLDEN / name).read_text())["Resources"].values()
    }
    before = json.loads(CREATE_ONLY_FILE.read_text())
    wanted = {name: known[name] for name in sorted(used | before.keys()) if known.get(name)}
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
    assert what_is_lost("AWS::S3::Bucket", "Delete") == "every object in it"
    assert what_is_lost("AWS::S3::Bucket", "Retain") == ""
    assert what_is_lost("AWS::RDS::DBInstance", "Snapshot") == ""
    assert what_is_lost("AWS::IAM::Role", "Delete") == ""
    assert set(HOLDS) - set(create_only()) <= {"AWS::KMS::Key", "AWS::RDS::DBCluster"}
