"""Two contracts in one pipeline: devices publish to both, each table gets its rows, and a contract
that is removed while its messages wait loses none of them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etl.aws.contract_objects import contracts_in_force, further_names
from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.deployment.laptop import bring_up, local_target
from etl.operations.batches import Batch, batches_of
from etl.operations.publishing import publish_file
from etl.operations.reconciliation import reconcile
from etl.operations.rejects import RejectFilter, read_rejects
from etl.operations.replaying import load_again
from telemetry.contract import Contract
from telemetry.layout import parse_raw_key
from tests.end_to_end.by_schedule import (
    PATIENCE_SECONDS,
    await_messages,
    drain,
    raw_keys,
    rows,
    up,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STACK = "two"
CLIMATE = """\
name = "climate"
topic = "site/{device}/north/+"

[table]
name = "climate"
key = ["device_id", "ts"]

[columns.device_id]
type = "text"
from = "$topic.device"
required = true
max_length = 32

[columns.ts]
type = "timestamp"
required = true

[columns.temperature]
type = "float"
required = true
"""
STATES = """\
name = "device-states"
topic = "site/{device}/{hall}/state"

[table]
name = "states"
key = ["device_id", "ts"]

[columns.device_id]
type = "text"
from = "$topic.device"
required = true
max_length = 32

[columns.ts]
type = "timestamp"
required = true

[columns.online]
type = "boolean"
required = true
"""
MINE, BOTH, THEIRS = "north/climate", "north/state", "south/state"
"""Ends of topics: of the first contract alone, of both, of the further one alone."""


class Fleet:
    """Two devices that publish by MQTT, each message with a time of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "messages.ndjson"
        self.sent = 0

    def publish(self, target: Target, *ends: str) -> None:
        """Publish a message to each topic, from both devices in turn."""
        for name, of_it in (("climate", {MINE}), ("device-states", {BOTH, THEIRS})):
            self.publish_as(target, target.contracts.named(name), *(e for e in ends if e in of_it))

    def publish_as(self, target: Target, contract: Contract, *ends: str) -> None:
        """Publish a message to each topic, all of them topics of this contract."""
        lines = [self._line(end) for end in ends]
        if lines:
            self.file.write_text("\n".join(lines))
            publish_file(target, contract, self.file)

    def _line(self, end: str) -> str:
        self.sent += 1
        hour, minute = divmod(self.sent // 60, 60)
        message = {
            "ts": f"2026-11-23T{hour:02}:{minute:02}:{self.sent % 60:02}Z",
            "temperature": 20.5 + self.sent,
            "online": True,
        }
        return json.dumps({"topic": f"site/box-{self.sent % 2 + 1}/{end}", "payload": message})


def times(target: Target, table: str) -> list[str]:
    found = rows(target, f"SELECT to_char(ts, 'MI:SS') FROM telemetry.{table} ORDER BY 1")
    return [text for (text,) in found]


def ledger(target: Target) -> list[tuple[Any, ...]]:
    """Contract, messages, inserted and rejected of all batches of each contract."""
    return rows(
        target,
        "SELECT contract, sum(messages)::int, sum(inserted)::int, sum(rejected)::int "
        "FROM etl.ledger GROUP BY 1 ORDER BY 1",
    )


def batches(target: Target) -> list[Batch]:
    return batches_of(target, raw_keys(target))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("contracts")
    for name, text in (("climate", CLIMATE), ("states", STATES)):
        (folder / f"{name}.toml").write_text(text)
    return folder / "climate.toml", folder / "states.toml"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def both(state: Path, files: tuple[Path, Path], fleet: Fleet) -> Target:
    """The pipeline of both contracts, with eight messages of each loaded, four of them in common."""
    target = up(state, STACK, *files)
    fleet.publish(target, *[MINE] * 4, *[BOTH] * 4, *[THEIRS] * 4)
    await_messages(target, 16)
    execution = drain(target)
    assert execution.status == "SUCCEEDED", execution.cause
    return target


def test_each_message_is_a_row_of_every_contract_that_it_matches(both: Target) -> None:
    climate, states = times(both, "climate"), times(both, "states")
    assert (len(climate), len(states)) == (8, 8)
    assert len(set(climate) & set(states)) == 4
    of_device = "SELECT device_id, count(*)::int FROM telemetry.{} GROUP BY 1 ORDER BY 1"
    for table in ("climate", "states"):
        assert rows(both, of_device.format(table)) == [("box-1", 4), ("box-2", 4)]


def test_the_ledger_says_which_contract_a_batch_is_of(both: Target) -> None:
    assert ledger(both)[:2] == [("climate", 8, 8, 0), ("device-states", 8, 8, 0)]
    digests = {one.name: one.digest for one in both.contracts}
    found = rows(both, "SELECT contract, contract_digest, raw_key FROM etl.ledger")
    for contract, digest, key in found:
        raw = parse_raw_key(key)
        assert raw is not None
        assert digest.startswith(digests[contract]) or digests[contract].startswith(digest)
        assert raw.contract == (None if contract == "climate" else contract)


def test_every_message_is_accounted_for_in_each_contract(both: Target) -> None:
    found = reconcile(both, PATIENCE_SECONDS)
    assert found.problems() == []
    assert found.verdict.status == "balanced"
    assert found.rows == 16


def test_objects_of_the_further_contract_have_its_name_in_their_keys(both: Target) -> None:
    found = [one["Key"] for one in listed(both.client("s3"), both.bucket, "clean/")]
    of_states = [key for key in found if key.startswith("clean/device-states/staged_on=")]
    assert of_states
    assert len([key for key in found if key.startswith("clean/staged_on=")]) == len(found) - len(
        of_states
    )


def test_a_device_may_publish_to_the_topics_of_both_by_one_policy(both: Target) -> None:
    policy = both.outputs["DevicePolicyName"]
    document = both.client("iot").get_policy(policyName=policy)["policyDocument"]
    assert len(document) <= 2_048
    assert "/state" in str(document)


def test_without_a_word_both_stay(both: Target, state: Path) -> None:
    target = bring_up(
        state,
        STACK,
        None,
        trigger="schedule",
        schedule="rate(1 day)",
        sweep="rate(1 day)",
        die_with_parent=True,
    )
    assert target.contracts.names == ("climate", "device-states")
    assert [one.digest for one in target.contracts] == [one.digest for one in both.contracts]


def test_messages_of_a_removed_contract_are_rejects_until_it_is_back(
    both: Target, state: Path, files: tuple[Path, Path], fleet: Fleet
) -> None:
    before = {one.key for one in batches(both)}
    fleet.publish(both, *[THEIRS] * 3, MINE, BOTH)
    await_messages(both, 6)

    alone = up(state, STACK, files[0])
    assert alone.contracts.names == ("climate",)
    assert "FurtherContracts" not in alone.outputs
    left = [one["Key"] for one in listed(alone.client("s3"), alone.bucket, "contract/further/")]
    assert left == []
    assert drain(alone).status == "SUCCEEDED"
    new = [one for one in batches(alone) if one.key not in before]
    states = [one for one in new if one.raw.contract == "device-states"]
    assert sum(one.raw.messages for one in states) == 4
    chosen = RejectFilter(batches=tuple(one.raw.batch_id for one in states))
    found = Counter(reason for one in read_rejects(alone, chosen) for reason in one.reasons)
    assert found == {"no_contract": 4}
    assert (len(times(alone, "climate")), len(times(alone, "states"))) == (10, 8)

    again = up(state, STACK, *files)
    assert [one.status for one in batches_of(again, [one.key for one in states])] == [
        "loaded"
    ] * len(states)
    for progress in load_again(again, states, kind="replay"):
        assert progress is not None
    assert (len(times(again, "climate")), len(times(again, "states"))) == (10, 12)
    assert list(read_rejects(again, chosen)) == []
    assert ledger(again) == [("climate", 10, 10, 0), ("device-states", 12, 12, 0)]
    found = reconcile(again, PATIENCE_SECONDS)
    assert found.problems() == []
    assert found.verdict.status == "balanced"


def test_a_contract_that_is_added_under_traffic_rejects_nothing(
    state: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    target = up(state, "traffic", files[0], trigger="queue")
    deployed, fleet = threading.Event(), Fleet(tmp_path)

    def publish() -> None:
        last = False
        while not last:
            last = deployed.is_set()  # some more once it is, so that there are rows of both
            fleet.publish_as(target, target.contract, *[BOTH] * 20)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        again = up(state, "traffic", *files, trigger="queue")
    finally:
        deployed.set()
        publisher.join()
    found = reconcile(again, 2 * PATIENCE_SECONDS)
    assert found.problems() == []
    assert list(read_rejects(again, RejectFilter())) == []
    staged = Counter(one.raw.contract for one in batches(again) for _ in range(one.raw.messages))
    assert staged[None] == fleet.sent == len(times(again, "climate"))
    assert 0 < staged["device-states"] == len(times(again, "states"))


def test_what_runs_is_read_from_the_bucket_by_any_command(both: Target, state: Path) -> None:
    assert both.local is not None
    fresh = local_target(state, STACK, both.local)
    found = contracts_in_force(fresh.client("s3"), fresh.bucket, further_names(fresh.outputs))
    assert found is not None
    assert found.names == ("climate", "device-states")
