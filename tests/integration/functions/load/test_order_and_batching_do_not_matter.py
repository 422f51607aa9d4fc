"""Readings of few keys, split into batches at random and loaded in any order, by each policy.

The oracle knows nothing of batches: it folds all readings, in order of arrival where a policy
depends on that, which only ``keep_first`` and ``keep_last`` do.
"""

from __future__ import annotations

from contextlib import closing
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.load.batch import parse_groups
from functions.load.loading import load_batch
from functions.transform.clean import clean
from functions.transform.copy import copy_csv, copy_groups
from telemetry.contract import Contract, parse_contract
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.fixtures.telemetry_database import MemoryCopy, TelemetryDatabase, make_batch
from tests.unit.functions.transform.envelopes_for import line

pytestmark = SLOW_WITH_MANY

POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
TABLE = '"telemetry"."settled"'
Reading = dict[str, Any]


def contract_for(policy: str, partition: str) -> Contract:
    greatest = 'greatest = "seq"' if policy == "keep_greatest" else ""
    return parse_contract(
        f"""
        name = "settled"
        topic = "lab/+"
        [table]
        name = "settled"
        key = ["id", "ts"]
        on_conflict = "{policy}"
        {greatest}
        partition = "{partition}"
        [columns.id]
        type = "smallint"
        required = true
        [columns.ts]
        type = "timestamp"
        formats = ["epoch_s"]
        required = true
        [columns.seq]
        type = "bigint"
        [columns.value]
        type = "float"
        [columns.note]
        type = "text"
        missing = []
        [checks]
        min_readings = 1000
        """.encode(),
        "settled.toml",
    )


@st.composite
def deliveries(draw: st.DrawFn, policy: str) -> list[list[Reading]]:
    """Batches of readings, in the order in which they are loaded; no two of a key are tied."""
    keys = st.tuples(st.integers(0, 2), st.integers(0, 4))
    readings: list[Reading] = []
    for number, (device, second) in enumerate(draw(st.lists(keys, max_size=24))):
        reading: Reading = {"id": device, "ts": second, "seq": number}
        if policy == "fill_missing":
            # What two readings of a key both have is the same in both: nothing is tied.
            reading["seq"] = None
            whole = {"value": device + second / 8, "note": f'{device},\n"{second}"'}
            names = draw(st.sets(st.sampled_from(sorted(whole))))
            reading |= {name: whole[name] for name in names}
        else:
            reading["value"] = draw(st.none() | st.integers(0, 3).map(float))
            reading["note"] = draw(st.sampled_from([None, "", "x"]))
        readings.append(reading)
    if policy == "keep_greatest":  # one of each key may be without a number
        for key in {(r["id"], r["ts"]) for r in readings}:
            if draw(st.booleans()):
                next(r for r in readings if (r["id"], r["ts"]) == key)["seq"] = None
    ends = sorted(draw(st.lists(st.integers(0, len(readings)), max_size=4)))
    if policy in ("keep_greatest", "fill_missing"):
        readings = draw(st.permutations(readings))
    bounds = [0, *ends, len(readings)]
    return [readings[a:b] for a, b in pairwise(bounds)]


def settled(policy: str, old: Reading, new: Reading) -> Reading:
    if policy == "keep_greatest":
        return max(old, new, key=lambda r: -1 if r["seq"] is None else r["seq"])
    if policy == "fill_missing":
        return {name: new.get(name) if old.get(name) is None else old[name] for name in old | new}
    return old if policy == "keep_first" else new


def oracle(policy: str, readings: list[Reading]) -> dict[tuple[int, int], Reading]:
    by_key: dict[tuple[int, int], list[Reading]] = {}
    for reading in readings:
        by_key.setdefault((reading["id"], reading["ts"]), []).append(reading)
    return {key: reduce(lambda a, b: settled(policy, a, b), same) for key, same in by_key.items()}


def values(reading: Reading) -> tuple[Any, ...]:
    return tuple(reading.get(name) for name in ("id", "ts", "seq", "value", "note"))


@pytest.mark.parametrize(
    ("grouped", "partition"),
    [(True, "none"), (False, "none"), (True, "month")],
    ids=["by blocks", "staged", "partitioned"],
)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_table_ends_the_same_and_every_count_is_exact(
    empty_database: TelemetryDatabase, policy: str, grouped: bool, partition: str
) -> None:
    contract = contract_for(policy, partition)
    empty_database.migrate(contract)
    many = 20 if MANY_EXAMPLES else 10

    @settings(max_examples=many, deadline=None, suppress_health_check=list(HealthCheck))
    @given(deliveries(policy))
    def property_holds(batches: list[list[Reading]]) -> None:
        empty_database.query(f"TRUNCATE {TABLE}, etl.ledger, etl.conflicts")
        lost: list[tuple[Any, ...]] = []
        loaded: list[Reading] = []
        before: dict[tuple[int, int], Reading] = {}
        with closing(empty_database.connect_loader()) as connection:
            for number, readings in enumerate(batches):
                sent = [line(reading, place) for place, reading in enumerate(readings)]
                cleaned = clean(b"\n".join(reversed(sent)), contract)
                csv = copy_csv(cleaned.rows)
                groups = parse_groups(copy_groups(cleaned.rows, csv, contract) or b"")
                batch = make_batch(
                    f"b{number}",
                    cleaned.rows.height,
                    read=len(readings),
                    duplicates=cleaned.duplicates,
                    conflicts=cleaned.conflicting,
                    columns=tuple(column.name for column in contract.columns),
                )
                entry = load_batch(
                    connection,
                    contract,
                    batch,
                    MemoryCopy(csv),
                    lambda groups=groups: groups if grouped else [],
                ).entry
                loaded += readings
                after = oracle(policy, loaded)
                touched = {(r["id"], r["ts"]) for r in readings}
                changed = [
                    k for k in touched & set(before) if values(before[k]) != values(after[k])
                ]
                assert entry.inserted == len(touched - set(before))
                assert entry.updated == len(changed)
                # What the batch brings for each key, and what it meets there.
                brought = {(row[0], row[1].timestamp()): row for row in cleaned.rows.rows()}
                met = {k: values(before[k])[2:] for k in touched & set(before)}
                differing = {
                    key
                    for key, row in brought.items()
                    if key in met
                    and any(
                        new != old and not (policy == "fill_missing" and new is None)
                        for old, new in zip(met[key], row[2:], strict=True)
                    )
                }
                stay = differing - set(changed)
                assert entry.conflicts_in_table == len(stay)
                assert entry.unchanged == len(met) - len(changed) - len(stay)
                if policy != "fill_missing":
                    lost += [(f"b{number}", "reading", *brought[key][2:]) for key in stay]
                    lost += [(f"b{number}", "row", *met[key]) for key in changed]
                before = after
        rows = empty_database.query(
            f"SELECT id, extract(epoch FROM ts)::int, seq, value, note FROM {TABLE}"
        )
        kept = empty_database.query(
            "SELECT batch_id, lost, (reading->>'seq')::bigint, (reading->>'value')::float8, "
            "reading->>'note' FROM etl.conflicts"
        )
        assert sorted(map(repr, kept)) == sorted(map(repr, lost))
        assert sorted(map(repr, rows)) == sorted(repr(values(r)) for r in before.values())

    property_holds()
