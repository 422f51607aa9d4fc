"""The plan compares each contract with its namesake in force, and names those that go."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from etl.aws.contract_objects import CONTRACT_KEY, contract_objects, contracts_in_force
from etl.cli.plan_view import print_plan
from etl.deployment.contract_review import ContractReviews, review_contracts
from etl.deployment.migration import publish_contract
from etl.deployment.pipeline_contracts import read_contracts
from etl.deployment.plan import CHANGES, UNCHANGED, DeployPlan
from infrastructure.settings import DatabaseSettings, DeploySettings
from telemetry.errors import ContractError
from tests.fixtures.aws_fakes import BUCKET, FakeS3, aws_error
from tests.fixtures.contract_files import write_contract

COLUMN = '[columns.v]\ntype = "float"\n'


class Deployed:
    """A stack whose data bucket holds these contracts."""

    def __init__(self, s3: FakeS3, files: list[Path]) -> None:
        self.s3 = s3
        s3.objects |= contract_objects(files)
        names = ",".join(read_contracts(files).names[1:])
        self.outputs = {"DataBucketName": BUCKET, **({"FurtherContracts": names} if names else {})}

    def review(self, *files: Path, **options: bool) -> ContractReviews:
        s3: Any = self.s3
        return review_contracts(s3, self.outputs, read_contracts(files), **options)


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def uplink(tmp_path: Path) -> Path:
    return write_contract(tmp_path, "uplink")


@pytest.fixture
def status(tmp_path: Path) -> Path:
    return write_contract(tmp_path, "status")


def plan_of(found: ContractReviews) -> DeployPlan:
    return DeployPlan(
        stack="s",
        region="r",
        local=False,
        steps=[],
        stacks=[],
        contract=found.first,
        further_contracts=found.further,
        removed_contracts=found.removed,
        uploads=[],
        remarks=[one.remark for one in found.removed],
    )


def told(plan: DeployPlan) -> str:
    out = io.StringIO()
    print_plan(Console(file=out, width=100), plan)
    return out.getvalue()


def test_those_in_force_are_no_change(s3, uplink, status):
    found = Deployed(s3, [uplink, status]).review(uplink, status)
    assert [one.changes for one in (found.first, *found.further)] == [[], []]
    assert plan_of(found).exit_code == UNCHANGED
    assert told(plan_of(found)).splitlines()[:2] == [
        "contract uplink: no changes",
        "contract status: no changes",
    ]


def test_an_added_one_gets_a_table(s3, uplink, status):
    plan = plan_of(Deployed(s3, [uplink]).review(uplink, status))
    assert [(one.name, one.first) for one in plan.contracts] == [
        ("uplink", False),
        ("status", True),
    ]
    assert plan.exit_code == CHANGES
    lines = told(plan).splitlines()
    assert "contract uplink: no changes" in lines
    assert 'contract status: table "telemetry"."status", created if it doesn\'t exist' in lines


def test_each_is_compared_with_its_namesake_whatever_the_order(s3, tmp_path, uplink, status):
    alarm = write_contract(tmp_path, "alarm")
    deployed = Deployed(s3, [uplink, status, alarm])
    (tmp_path / "new").mkdir()
    changed = write_contract(tmp_path / "new", "status", columns=COLUMN)
    found = deployed.review(uplink, alarm, changed)
    assert [(one.name, [c.key for c in one.changes]) for one in found.further] == [
        ("alarm", []),
        ("status", ["columns.v"]),
    ]
    assert 'ALTER TABLE "telemetry"."status"' in " ".join(found.further[1].statements)


def test_a_removed_one_is_named_with_its_table_and_what_becomes_of_its_messages(s3, uplink, status):
    plan = plan_of(Deployed(s3, [uplink, status]).review(uplink))
    assert plan.exit_code == CHANGES
    assert [one.name for one in plan.removed_contracts] == ["status"]
    text = told(plan)
    assert "contract status: removed\n" in text
    assert 'note: contract status is removed: table "telemetry"."status" and its views stay' in text
    assert "become rejects with the reason no_contract" in text
    assert plan.as_dict()["removed_contracts"] == [
        {"name": "status", "table": '"telemetry"."status"', "read_by": ""}
    ]


def test_of_a_removed_first_one_the_messages_are_read_by_the_next(s3, uplink, status):
    with pytest.raises(ContractError, match="--replace-first"):
        Deployed(s3, [uplink, status]).review(status)
    found = Deployed(s3, [uplink, status]).review(status, replace_first=True)
    assert found.first.changes == []
    assert "are read by status" in found.removed[0].remark
    assert "no_contract" not in found.removed[0].remark


def test_the_first_one_stays_the_first(s3, uplink, status):
    with pytest.raises(ContractError, match="List uplink first"):
        Deployed(s3, [uplink]).review(status, uplink)


def test_one_in_place_of_one_is_compared_as_it_always_was(s3, uplink, status):
    found = Deployed(s3, [uplink]).review(status)
    assert {"name", "table.name"} <= {change.key for change in found.first.changes}
    assert found.removed == []


def test_a_renamed_one_is_told_by_its_table(s3, tmp_path, uplink, status):
    other = write_contract(tmp_path, "state", table="status")
    found = Deployed(s3, [uplink, status]).review(uplink, other)
    assert found.further[0].first is False
    assert found.further[0].statements == [] or "CREATE TABLE" not in found.further[0].statements[0]
    assert found.removed == []


def test_the_plan_says_what_becomes_of_a_renamed_one_s_messages(s3, tmp_path, uplink, status):
    """It keeps its table, and yet nothing that was sent to it before is read by the new one."""
    other = write_contract(tmp_path, "state", table="status")
    text = told(plan_of(Deployed(s3, [uplink, status]).review(uplink, other)))
    assert 'contract status becomes state and keeps the table "telemetry"."status"' in text
    assert "become rejects with the reason no_contract" in text
    assert "does not balance any more" in text


def test_messages_of_a_renamed_first_one_are_read_by_whichever_is_first(
    s3, tmp_path, uplink, status
):
    other = write_contract(tmp_path, "join", table="uplink")
    for files in ((other, status), (status, other)):
        found = Deployed(s3, [uplink, status]).review(*files, replace_first=True)
        [remark] = [text for one in (found.first, *found.further) for text in one.remarks]
        assert f"are read by {files[0].stem}." in remark
        assert "no_contract" not in remark


def test_a_single_contract_is_renamed_without_a_word_as_before(s3, tmp_path, uplink):
    other = write_contract(tmp_path, "join", table="uplink")
    assert Deployed(s3, [uplink]).review(other).first.remarks == []


def test_the_plan_of_one_contract_has_no_word_of_others(s3, uplink):
    plain = plan_of(Deployed(s3, [uplink]).review(uplink)).as_dict()
    assert not {"further_contracts", "removed_contracts"} & plain.keys()


def test_where_none_can_be_read_each_says_why(s3, uplink, status):
    deployed = Deployed(s3, [uplink, status])
    s3.fail("get_object", aws_error("AccessDenied", 403), times=9)
    found = deployed.review(uplink, status)
    assert [one.unknown for one in (found.first, *found.further)] == [
        "The contract in force can't be read (AccessDenied)."
    ] * 2
    assert found.removed == []


def test_one_that_the_migration_refuses_is_found_wherever_it_stands(s3, uplink, status):
    plan = plan_of(Deployed(s3, [uplink, status]).review(uplink, status))
    assert plan.refused == []
    refused = replace(plan.further_contracts[0], refused="run: ALTER TABLE")
    assert replace(plan, further_contracts=[refused]).refused == [refused]


def settings(*files: Path) -> DeploySettings:
    first, *further = files
    return DeploySettings(
        stack="s",
        contract=first,
        further_contracts=tuple(further),
        database=DatabaseSettings(host="h"),
    )


def test_publishing_deletes_what_a_removed_contract_left(s3, tmp_path, uplink, status):
    client: Any = s3
    alarm = write_contract(tmp_path, "alarm")
    publish_contract(client, BUCKET, settings(uplink, status, alarm))
    assert set(s3.objects) == {
        CONTRACT_KEY,
        "contract/further/status/contract.toml",
        "contract/further/alarm/contract.toml",
    }
    s3.objects["contract/database-ca.pem"] = b"kept"
    publish_contract(client, BUCKET, settings(uplink, alarm))
    assert set(s3.objects) == {
        CONTRACT_KEY,
        "contract/further/alarm/contract.toml",
        "contract/database-ca.pem",
    }


def test_a_contract_whose_objects_are_not_there_yet_is_not_in_force(s3, uplink, status):
    s3.objects |= contract_objects([uplink])
    client: Any = s3
    found = contracts_in_force(client, BUCKET, ["status"])
    assert found is not None
    assert found.names == ("uplink",)
    assert contracts_in_force(FakeS3(), BUCKET, ["status"]) is None  # type: ignore[arg-type]
