"""What goes wrong around the functions: the queue, the workflow, the emulator, the deployment."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.operations.batches import batches_between, start_over
from etl.operations.publishing import register_devices
from local.devices.mqtt import DeviceConnection
from tests.chaos import judging
from tests.chaos.faults import PIPELINE
from tests.chaos.rig import Rig
from tests.chaos.rounds import Record, Results, heal, plan_of, unsettled
from tests.chaos.saboteur import Saboteur
from tests.property.mqtt_oracle import matches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONG = bool(os.environ.get("CHAOS_FAULTS"))
OUTAGE_SECONDS = 60.0 if LONG else 8.0
RESTARTS = 3 if LONG else 1
GRACE_SECONDS = 1.2
"""A little more than the rig's SWEEP_GRACE_SECONDS, which has to pass before a sweep starts anything."""


@pytest.fixture
def heals(request: pytest.FixtureRequest, rig: Rig, saboteur: Saboteur, results: Results):
    """Called once the damage is done: heals, judges, and notes what happened how often."""

    begun = time.monotonic()

    def heal_and_judge(name: str, times: int = 1) -> None:
        began = time.monotonic()
        done = heal(rig, saboteur)
        problems = judging.judge(rig)
        assert name in PIPELINE
        results.records += [Record("pipeline", name, "", "", "pipeline", "")] * times
        seconds = round(time.monotonic() - began, 1)
        results.seconds += time.monotonic() - begun
        print({"pipeline": name, "times": times, "healing": seconds, "healed_with": done})
        assert problems == [], [f"seed {rig.seed}", *problems]

    return heal_and_judge


def working(rig: Rig, count: int = 30) -> None:
    """An execution that is in the middle of its batches."""
    before = len(judging.ledger(rig))
    rig.send(count)
    rig.start_execution()
    until = time.monotonic() + 120
    while len(judging.ledger(rig)) == before and time.monotonic() < until:
        time.sleep(0.05)


def test_messages_are_delivered_again_while_they_are_processed(rig: Rig, heals) -> None:
    rig.send(30)
    sqs = rig.client("sqs")
    stop = threading.Event()
    at_work = threading.Event()

    def deliver_again() -> None:
        """Take messages from under Extract, and put them back at once."""
        while not stop.is_set():
            answer = sqs.receive_message(
                QueueUrl=rig.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            if answer.get("Messages"):
                at_work.set()

    with ThreadPoolExecutor(1) as pool:
        thief = pool.submit(deliver_again)
        try:
            assert at_work.wait(120)
            for _ in range(2):
                rig.start_execution()
            time.sleep(0.3)  # the thief is to meet messages that Extract has and has not deleted
            rig.wait_until_idle()
        finally:
            stop.set()
        thief.result()
    heals("messages redelivered")


def test_messages_come_twice_and_in_another_order(rig: Rig, heals) -> None:
    bodies = rig.traffic.bodies(30)
    rng = random.Random(rig.seed)
    rig.send_bodies(rng.sample([*bodies, *bodies], 60))
    rig.trigger_by_queue(on=True)
    rig.start_execution()
    rig.send_bodies(rng.sample(bodies, 30))
    until = time.monotonic() + 120
    while rig.queued() and time.monotonic() < until:
        time.sleep(0.1)
    rig.trigger_by_queue(on=False)
    heals("messages duplicated and reordered")


def test_both_triggers_at_once(rig: Rig, heals) -> None:
    rig.trigger_by_queue(on=True)
    for _ in range(3):
        rig.send(15)
        rig.start_execution()
        rig.start_execution()
        time.sleep(0.5)  # so that both triggers are at work in each round
    rig.wait_until_idle()
    rig.trigger_by_queue(on=False)
    heals("schedule and queue at once")


def test_two_drain_loops_at_once_and_one_that_is_stopped(rig: Rig, heals) -> None:
    loops = [rig.start_execution({"drains": {"every": 1, "seconds": 15}}) for _ in range(2)]
    for _ in range(4):
        rig.send(15)
        time.sleep(1)
    rig.client("stepfunctions").stop_execution(executionArn=loops[0])
    rig.send(15)
    rig.wait_until_idle()
    heals("drain loops at once, one stopped")


def test_two_executions_over_the_same_batches(rig: Rig, heals) -> None:
    rig.send(24)
    rig.start_execution()
    until = time.monotonic() + 120
    while not (batches := staged(rig, unsettled(rig))) and time.monotonic() < until:
        time.sleep(0.02)
    for name in ("twin-a", "twin-b"):
        start_over(rig.target, batches, "load", name=name)
    heals("two executions over the same batches")


def staged(rig: Rig, keys: list[str]):
    today = datetime.now(UTC).date()
    return [
        b
        for b in batches_between(rig.target, today - timedelta(days=1), today)
        if b.key in set(keys)
    ]


def test_sweeps_at_once_start_one_execution(rig: Rig, heals) -> None:
    for _ in range(4):
        rig.orphan()
    time.sleep(GRACE_SECONDS)
    with ThreadPoolExecutor(4) as pool:
        swept = [s for s in pool.map(lambda _: rig.sweep(), range(4)) if s]
    assert len({s["execution"] for s in swept} - {None}) == 1
    heals("sweeps at once")


def test_batches_that_a_wrong_clock_has_staged_are_found(rig: Rig, heals) -> None:
    now = datetime.now(UTC)
    for days in (1, -1, -13):
        rig.orphan(now + timedelta(days=days))
    time.sleep(GRACE_SECONDS)
    heals("clock a day ahead, or days behind", 3)


def test_a_deployment_in_the_middle_of_a_run(rig: Rig, heals) -> None:
    working(rig)
    rig.deploy(CHAOS_DEPLOYMENT="again")
    rig.send(6)
    rig.start_execution()
    heals("redeployed during a run")


def test_everything_restarts_in_the_middle_of_a_run(rig: Rig, heals) -> None:
    working(rig, 45)
    for _ in range(RESTARTS):
        rig.restart_emulator()
        rig.start_execution()
        time.sleep(0.5)  # the next restart comes in the middle of it
    heals("emulator and functions restarted during a run", RESTARTS)


def test_the_database_is_away_in_the_middle_of_a_run(rig: Rig, heals) -> None:
    working(rig)
    rig.kill_postgres()
    rig.send(12)
    rig.start_execution()
    time.sleep(OUTAGE_SECONDS)
    rig.revive_postgres()
    heals("database away")


def test_replaying_everything_twice_changes_no_row(rig: Rig, heals) -> None:
    before = content(rig)
    keys = [entry["raw_key"] for entry in judging.ledger(rig).values()]
    assert keys
    every = [
        b
        for back in (-1, 0, 1, 13)
        for day in [datetime.now(UTC).date() - timedelta(days=back)]
        for b in batches_between(rig.target, day, day)
    ]
    chosen = random.Random(rig.seed).sample(every, min(60, len(every)))
    for name in ("everything-1", "everything-2"):
        start_over(rig.target, chosen, "replay", name=name)
    heals("replayed twice", 2)
    assert content(rig) == before


def content(rig: Rig) -> list[list[tuple[str, str]]]:
    """Each row of each table, with the version of it that PostgreSQL holds."""
    found = []
    with closing(rig.target.connect()) as connection, connection.cursor() as cursor:
        for table in map(judging.table_of, rig.contracts):
            cursor.execute(f"SELECT xmin::text, r::text FROM {table} AS r ORDER BY 2")
            found.append(cursor.fetchall())
    return found


def test_devices_publish_while_functions_die(rig: Rig, heals) -> None:
    """Over real MQTT, by the topic rules and the queue's own trigger."""
    things = ["box-1", "box-2", "box-3"]
    published: list[tuple[str | None, str, bytes]] = []
    identities = register_devices(rig.target, things)
    deaths = [
        ("stage", "after stage batch"),
        ("transform", "after write"),
        ("load", "after insert rows"),
    ]
    rig.injector.plan([plan_of(function, point, "kill") for function, point in deaths])
    rig.trigger_by_queue(on=True)
    with ExitStack() as stack:
        broker = rig.target.broker()
        connections = [stack.enter_context(DeviceConnection(broker, one)) for one in identities]
        for number in range(30):
            thing, connection = things[number % 3], connections[number % 3]
            ts = f"2027-01-01T00:{number:02d}:00Z"
            payload = json.dumps(
                {"readings": [{"ts": ts, "seq": number}, {"ts": "never"}]}
            ).encode()
            payload = payload if number % 9 else b"\xff" + payload
            topic = f"telemetry/{'elsewhere' if number % 2 else 'chaos'}/{thing}"
            connection.publish(topic, payload)
            published += [
                (rig.contracts.key_name(contract), topic, payload)
                for contract in rig.contracts
                if matches(contract.topic_filter.mqtt, topic)
            ]
    assert len(published) == 45
    arrived: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + 240
    seen: set[str] = set()
    while (len(arrived) < len(published) or rig.injector.waiting()) and time.monotonic() < until:
        time.sleep(0.3)
        for message_id, envelope in newly_staged(rig, seen).items():
            if str(envelope["topic"]).rpartition("/")[2] in things:
                arrived[message_id] = envelope
    rig.trigger_by_queue(on=False)
    assert not rig.injector.withdraw()
    found = Counter(
        (e.get("contract"), e["topic"], base64.b64decode(e["payload"])) for e in arrived.values()
    )
    assert found == Counter(published)
    for message_id, envelope in arrived.items():
        rig.truth.add(message_id, json.dumps(envelope))
    heals("over MQTT, functions killed", len(deaths))


def newly_staged(rig: Rig, seen: set[str]) -> dict[str, dict[str, Any]]:
    """What Extract has staged today under keys not seen before, by the id of the message.

    As the topic rule wrote it, with the contract that the key names.
    """
    s3, bucket = rig.client("s3"), rig.target.bucket
    today = datetime.now(UTC).date()
    found: dict[str, dict[str, Any]] = {}
    for batch in batches_between(rig.target, today - timedelta(days=1), today):
        if batch.key in seen:
            continue
        seen.add(batch.key)
        named = {} if batch.raw.contract is None else {"contract": batch.raw.contract}
        body = s3.get_object(Bucket=bucket, Key=batch.key)["Body"].read()
        for line in gzip.decompress(body).splitlines():
            envelope = json.loads(line) | named
            found[envelope.pop("message_id")] = envelope
    return found
