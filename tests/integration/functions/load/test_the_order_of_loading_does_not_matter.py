"""Messages in any batches, loaded in any order, twice, or again under a newer contract.

The oracle knows of neither batches nor loads: it folds all readings in the order of arrival.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from telemetry.contract import Contract, parse_contract
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.fixtures.stored_batches import StoredBatches
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.unit.functions.transform.envelopes_for import line

pytestmark = SLOW_WITH_MANY

POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
TABLE = '"telemetry"."settled"'
VALUES = ("seq", "value", "note", "more")
COMPARED = VALUES
NOON = 1_772_366_400_000
EXAMPLES = 16 if MANY_EXAMPLES else 8
PHASES = [Phase.explicit, Phase.generate]
"""Without shrinking, which takes minutes with a database: what is found is small already."""

Reading = dict[str, Any]


def contract_for(policy: str, shape: str, *, newer: bool = False) -> Contract:
    """The contract; a newer version of it has the column ``more``."""
    greatest = 'greatest = "seq"' if policy == "keep_greatest" else ""
    key = '["id", "ts"]' if shape != "no time in the key" else '["id"]'
    more = '[columns.more]\ntype = "integer"' if newer else ""
    return parse_contract(
        f"""
        name = "settled"
        topic = "lab/+"
        message = {{readings = "r"}}
        [table]
        name = "settled"
        key = {key}
        on_conflict = "{policy}"
        {greatest}
        partition = "{"month" if shape == "partitioned" else "none"}"
        [columns.id]
        type = "text"
        max_length = 8
        required = true
        [columns.ts]
        type = "timestamp"
        formats = ["epoch_s"]
        required = true
        [columns.seq]
        type = "integer"
        [columns.value]
        type = "float"
        [columns.note]
        type = "text"
        missing = []
        [columns.stamp]
        type = "bigint"
        from = "$received_at"
        {more}
        [checks]
        min_readings = 1000
        """.encode(),
        "settled.toml",
    )


@dataclass
class Message:
    number: int
    arrival: int
    readings: list[Reading]

    @property
    def id(self) -> str:
        return f"m{self.number:04}"

    def line(self) -> bytes:
        return line({"r": self.readings}, self.number, received_at=NOON + self.arrival)


@dataclass
class Scenario:
    messages: list[Message]
    batches: list[list[int]]
    """Numbers of the messages of each batch; one may be in several."""
    loads: list[tuple[int, bool]] = field(default_factory=list)
    """Batches in the order in which they are loaded, and whether under the newer contract."""


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    def reading() -> Reading:
        found: Reading = {"id": draw(st.sampled_from(['a"', "b"])), "ts": draw(st.integers(0, 2))}
        for name in VALUES:
            value = draw(st.sampled_from([None, 1, 2]))
            if value is not None:
                found[name] = f"{value},\n" if name == "note" else value
        return found

    messages = [
        Message(
            number, draw(st.integers(0, 4)), [reading() for _ in range(draw(st.integers(1, 3)))]
        )
        for number in range(draw(st.integers(1, 8)))
    ]
    count = draw(st.integers(1, 5))
    batches: list[list[int]] = [[] for _ in range(count)]
    for message in messages:
        for number in draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2)):
            batches[number].append(message.number)
    order = list(draw(st.permutations(range(count))))
    for number in draw(st.lists(st.integers(0, count - 1), max_size=3)):
        order.insert(draw(st.integers(0, len(order))), number)
    deployed = draw(st.integers(0, len(order)))
    loads = [(number, place >= deployed) for place, number in enumerate(order)]
    return Scenario(messages, batches, loads)


@dataclass(frozen=True)
class Arrived:
    """A reading, by its place in the order of arrival."""

    place: tuple[int, str, int]
    values: dict[str, Any]


def arrived(scenario: Scenario, versions: dict[int, bool], order: list[int]) -> list[Arrived]:
    """The readings of the loaded batches, each as the last load of it took it."""
    found: dict[tuple[int, str, int], Arrived] = {}
    for batch in order:
        for number in scenario.batches[batch]:
            message = scenario.messages[number]
            for index, reading in enumerate(message.readings):
                place = (message.arrival, message.id, index)
                values = {**dict.fromkeys(VALUES), **reading, "stamp": NOON + message.arrival}
                if not versions[batch]:
                    values["more"] = None
                found[place] = Arrived(place, values)
    return [found[place] for place in sorted(found)]


def fold(policy: str, readings: list[Arrived]) -> dict[str, Any]:
    """The row of readings of one key, in order of arrival."""
    values = [reading.values for reading in readings]
    if policy == "keep_last":
        return values[-1]
    if policy == "keep_greatest":
        return max(values, key=lambda v: -1 if v["seq"] is None else v["seq"])  # the first of them
    if policy == "fill_missing":
        return {
            name: next((v[name] for v in values if v[name] is not None), None) for name in values[0]
        }
    return values[0]


def table_of(policy: str, key: tuple[str, ...], readings: list[Arrived]) -> dict[Any, Any]:
    by_key: dict[Any, list[Arrived]] = {}
    for reading in readings:
        by_key.setdefault(tuple(reading.values[name] for name in key), []).append(reading)
    return {name: fold(policy, same) for name, same in by_key.items()}


def contradicts(policy: str, names: tuple[str, ...], one: Any, other: Any) -> bool:
    return any(
        one[name] != other[name] and not (policy == "fill_missing" and one[name] is None)
        for name in names
    )


SHAPES = ("time in the key", "no time in the key", "partitioned")
CASES = [(policy, shape) for policy, shape in itertools.product(POLICIES, SHAPES)]


@pytest.fixture
def stored(empty_database: TelemetryDatabase) -> Callable[[str, str], StoredBatches]:
    def make(policy: str, shape: str) -> StoredBatches:
        empty_database.migrate(contract_for(policy, shape))
        empty_database.migrate(contract_for(policy, shape, newer=True))
        return StoredBatches(empty_database)

    return make


def check(stored: StoredBatches, policy: str, shape: str, scenario: Scenario) -> None:
    """Loads all, then compares the table and what was kept with the oracle."""
    stored.database.query(f"TRUNCATE {TABLE}, etl.ledger, etl.conflicts")
    stored.objects.clear()
    contracts = [contract_for(policy, shape, newer=newer) for newer in (False, True)]
    keys = [
        stored.stage(f"b{n}", [scenario.messages[m].line() for m in numbers])
        for n, numbers in enumerate(scenario.batches)
    ]
    versions: dict[int, bool] = {}
    order: list[int] = []
    with closing(stored.database.connect_loader()) as connection:
        for batch, newer in scenario.loads:
            purpose = "replay" if batch in versions else "load"
            loaded = stored.load(keys[batch], contracts[newer], purpose, connection)
            entry = loaded.entry
            assert entry.read == sum(
                len(scenario.messages[m].readings) for m in scenario.batches[batch]
            )
            if not loaded.repeated:
                versions[batch] = newer
                order = [*(one for one in order if one != batch), batch]
    key = contracts[0].key
    names = tuple(name for name in contracts[1].compared)
    readings = arrived(scenario, versions, order)
    expected = table_of(policy, key, readings)
    assert rows_of(stored) == {k: pick(row) for k, row in by_key(key, expected).items()}
    assert_kept(stored, policy, key, names, readings, expected)


def by_key(key: tuple[str, ...], expected: dict[Any, Any]) -> dict[Any, Any]:
    return {tuple(row[name] for name in ("id", "ts")): row for row in expected.values()}


def pick(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*VALUES, "stamp"))


def rows_of(stored: StoredBatches) -> dict[Any, tuple[Any, ...]]:
    found = stored.database.query(
        f"SELECT id, extract(epoch FROM ts)::int, seq, value, note, more, stamp FROM {TABLE}"
    )
    return {row[:2]: row[2:] for row in found}


def assert_kept(
    stored: StoredBatches,
    policy: str,
    key: tuple[str, ...],
    names: tuple[str, ...],
    readings: list[Arrived],
    expected: dict[Any, Any],
) -> None:
    """Each reading that is not the row is a reject of its batch or a conflict."""
    own = stored.conflicting()
    kept = stored.database.query("SELECT reading FROM etl.conflicts")
    for reading in readings:
        row = expected[tuple(reading.values[name] for name in key)]
        _, message, index = reading.place
        if not contradicts(policy, names, reading.values, row) or (message, index) in own:
            continue
        assert any(is_kept(policy, key, names, reading.values, row, one) for (one,) in kept), (
            reading,
            row,
            kept,
        )


def is_kept(
    policy: str, key: tuple[str, ...], names: tuple[str, ...], values: Any, row: Any, kept: Any
) -> bool:
    """True if what was kept has the values of the reading by which it is not the row."""
    if kept["id"] != values["id"] or ("ts" in key and not same("ts", kept["ts"], values["ts"])):
        return False
    if policy != "fill_missing":
        return all(same(name, kept.get(name), values[name]) for name in names)
    lost = [n for n in names if values[n] is not None and values[n] != row[n]]
    return all(same(name, kept.get(name), values[name]) for name in lost)


def same(name: str, kept: Any, value: Any) -> bool:
    if name == "ts" and kept is not None:
        return bool(kept.startswith(f"1970-01-01T00:00:0{value}"))
    return bool(kept == value)


@pytest.mark.parametrize(("policy", "shape"), CASES)
def test_the_table_is_the_fold_of_all_readings(
    stored: Callable[[str, str], StoredBatches], policy: str, shape: str
) -> None:
    batches = stored(policy, shape)

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    @given(scenarios())
    def property_holds(scenario: Scenario) -> None:
        check(batches, policy, shape, scenario)

    property_holds()


@pytest.mark.parametrize(("policy", "shape"), CASES)
def test_what_a_newer_version_replaces_is_kept(
    stored: Callable[[str, str], StoredBatches], policy: str, shape: str
) -> None:
    """The row is of two readings, one of them the former version of what replaces a value."""
    full = {"id": "b", "ts": 0, "seq": 2, "value": 2, "note": "1,\n", "more": 1}
    later = Message(0, 3, [full, {"id": "b", "ts": 1, "seq": 2, "more": 1}])
    earlier = Message(1, 2, [{"id": "b", "ts": 0, "seq": 2, "more": 2}])
    loads = [(1, False), (0, True), (0, True), (1, True), (2, True), (1, True)]
    check(stored(policy, shape), policy, shape, Scenario([later, earlier], [[0], [1], []], loads))
