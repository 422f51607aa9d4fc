from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from telemetry.contract import (
    Column,
    Contract,
    Source,
    load_contract,
    load_contracts,
    parse_contract,
)
from telemetry.contract.sources import SourceSyntaxError, parse_source
from telemetry.errors import ContractError

SHIPPED = sorted((Path(__file__).parents[4] / "contracts").glob("*.toml"))
SMALL = b"""
name = "small"
topic = "lab/+"
[table]
name = "readings"
key = ["id", "ts"]
[columns.id]
type = "text"
max_length = 20
required = true
[columns.ts]
type = "timestamp"
required = true
"""


def test_what_is_left_out_has_a_default() -> None:
    contract = parse_contract(SMALL, "small.toml")
    assert contract == Contract(
        name="small",
        topic="lab/+",
        schema="telemetry",
        table="readings",
        key=("id", "ts"),
        columns=(
            Column("id", "text", (Source("reading", ("id",)),), required=True, max_length=20),
            Column("ts", "timestamp", (Source("reading", ("ts",)),), required=True),
        ),
        digest=hashlib.sha256(SMALL).hexdigest()[:16],
    )
    assert contract.on_conflict == "keep_first"
    assert contract.readings is None
    assert contract.column("id").missing == ("",)


def test_everything_that_is_written_is_kept() -> None:
    text = (
        SMALL.replace(b'name = "readings"', b'name = "readings"\nschema = "lab"')
        + b"""
[columns.value]
type = "float"
from = ["v", "a.b", "$message.c", "$topic[1]", "$client_id"]
on_invalid = "null"
missing = ["", -1, true]
range = [-inf, 10]
unit = "m"
description = "How far."
[columns.seen]
type = "timestamp"
formats = ["epoch_ms", "iso8601"]
timezone = "Europe/London"
[message]
readings = "data.items"
[checks]
max_reject_share = 1
min_readings = 5
[checks.completeness]
value = 0.9
"""
    )
    contract = parse_contract(text, "small.toml")
    value, seen = contract.column("value"), contract.column("seen")
    assert contract.schema == "lab"
    assert contract.readings == ("data", "items")
    assert [source.scope for source in value.sources] == [
        "reading", "reading", "message", "envelope", "envelope",
    ]  # fmt: skip
    assert value.range == (None, 10)
    assert value.missing == ("", -1, True)
    assert (value.unit, value.description, value.on_invalid) == ("m", "How far.", "null")
    assert seen.formats == ("iso8601", "epoch_ms")
    assert seen.timezone == "Europe/London"
    assert contract.checks.max_reject_share == 1.0
    assert contract.checks.completeness == {"value": 0.9}
    assert contract.checks.min_readings == 5


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("a", Source("reading", ("a",))),
        ("a.b.c", Source("reading", ("a", "b", "c"))),
        (r"host\.name.x", Source("reading", ("host.name", "x"))),
        (r"\$id", Source("reading", ("$id",))),
        ("regs[0]", Source("reading", ("regs", 0))),
        ("rx[-1].rssi", Source("reading", ("rx", -1, "rssi"))),
        ("$message.a[1][02].b", Source("message", ("a", 1, 2, "b"))),
        ('"host.name"[3]', Source("reading", ("host.name", 3))),
        ('ports."0".load', Source("reading", ("ports", "0", "load"))),
        (r"ports.\0", Source("reading", ("ports", "0"))),
        (r"temp\[C]", Source("reading", ("temp[C]",))),
        ("0.load", Source("reading", ("0", "load"))),
        ("log.1772366400", Source("reading", ("log", "1772366400"))),
        ("$message.a.b", Source("message", ("a", "b"))),
        ("$topic", Source("envelope", ("topic",))),
        ("$topic[02]", Source("envelope", ("topic", "2"))),
        ("$received_at", Source("envelope", ("received_at",))),
    ],
)
def test_a_source_is_a_path_or_a_part_of_the_envelope(text: str, source: Source) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    ("text", "parents", "readings"),
    [
        ("nodes[].sensors", ("nodes",), ("sensors",)),
        ("a.b[].c.d[]", ("a", "b"), ("c", "d")),
        ("$message[].sensors", (), ("sensors",)),
        ("nodes[]", None, ("nodes",)),
        ("$message[]", None, ()),
        ("frames[0].d", None, ("frames", 0, "d")),
    ],
)
def test_readings_are_in_an_array_or_in_arrays_within_it(
    text: str, parents: tuple[str, ...] | None, readings: tuple[str, ...]
) -> None:
    contract = parse_contract(SMALL + f"[message]\nreadings = '{text}'\n".encode(), "t.toml")
    assert (contract.parents, contract.readings) == (parents, readings)


def test_a_third_level_is_refused() -> None:
    with pytest.raises(ContractError, match="more than two levels; keep the last as a jsonb"):
        parse_contract(SMALL + b"[message]\nreadings = 'a[].b[].c'\n", "t.toml")


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "$", "$nothing", "$topic[x]", "$message"])
def test_a_source_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SourceSyntaxError):
        parse_source(text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_contracts_are_valid(path: Path) -> None:
    contract = load_contract(path)
    assert contract.name == path.stem
    assert all(contract.column(name).required for name in contract.key)


def test_without_a_path_the_packaged_contract_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "contract.toml").write_bytes(SMALL)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    assert load_contracts().first.name == "small"


def test_a_missing_file_is_a_contract_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.toml.*can't be read.*give the path"):
        load_contract(tmp_path / "none.toml")


@pytest.mark.parametrize("policy", ["keep_last", "fill_missing"])
def test_a_contract_that_expects_corrections_has_no_limit_of_conflicts(policy: str) -> None:
    plain = parse_contract(SMALL, "small.toml").checks
    assert (plain.conflict_share_warn, plain.conflict_share) == (0.01, 0.1)
    table = f'name = "readings"\non_conflict = "{policy}"'.encode()
    text = SMALL.replace(b'name = "readings"', table)
    checks = parse_contract(text, "small.toml").checks
    assert (checks.conflict_share_warn, checks.conflict_share) == (1, 1)
    limited = parse_contract(text + b"[checks]\nconflict_share = 0.2", "small.toml").checks
    assert limited.conflict_share == 0.2


def test_what_is_stamped_at_arrival_is_not_compared() -> None:
    text = (
        SMALL
        + b"""
[columns.value]
type = "float"
[columns.seen]
type = "timestamp"
from = "$received_at"
[columns.message]
type = "text"
from = "$message_id"
[columns.measured]
type = "timestamp"
from = ["at", "$received_at"]
"""
    )
    assert parse_contract(text, "small.toml").compared == ("value", "measured")
