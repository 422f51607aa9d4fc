"""An error in the pipeline's own code costs the message that it happens on, not the batch."""

from __future__ import annotations

import gzip
import json
from typing import Any

import polars as pl
import pytest

from functions.transform import bodies, one_row_per_key
from functions.transform import clean as cleaning
from functions.transform.bulk import BulkDecoder
from functions.transform.careful import CarefulReader
from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.handler import transform
from telemetry.errors import ContractError
from tests.unit.functions.transform.envelopes_for import KEY, contract_of, line, lines

V = '[columns.v]\ntype = "float"\n'
ABOUT = contract_of(V)
SENT = [{"id": n, "v": n / 2} for n in range(1, 8)]


def _raising(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: Any, error: Any) -> None:
    usual = getattr(owner, name)

    def raises(*args: Any) -> Any:
        if when(*args):
            raise error
        return usual(*args)

    monkeypatch.setattr(owner, name, raises)


def test_a_batch_that_cant_be_read_in_bulk_is_read_carefully(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = clean(lines(*SENT, b"no json"), ABOUT)
    _raising(monkeypatch, BulkDecoder, "decode", lambda *_: True, RuntimeError("a bug"))
    found = clean(lines(*SENT, b"no json"), ABOUT)
    assert found.rows.equals(wanted.rows)
    assert found.rejects == wanted.rejects
    assert found.read == wanted.read == 8
    assert "RuntimeError: a bug" in capsys.readouterr().out


def test_a_message_that_cant_be_read_carefully_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(
        monkeypatch, CarefulReader, "read", lambda _, text, __: '"id": 3' in text, IndexError("bug")
    )
    found = clean(lines(*SENT), ABOUT, bulk=False)
    assert found.rows["id"].to_list() == [1, 2, 4, 5, 6, 7]
    assert [(r.message, r.index, r.reasons) for r in found.rejects] == [
        (2, None, ("unreadable:IndexError",))
    ]
    assert found.read == 7


PANIC = pl.exceptions.PanicException("polars panics")


@pytest.mark.parametrize("error", [PANIC, pl.exceptions.ComputeError("no"), RecursionError()])
@pytest.mark.parametrize("bad", [[1], [7], [2, 3], [1, 2, 3, 4, 5, 6, 7]])
def test_a_value_that_cant_be_cleaned_costs_its_message(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, bad: list[int]
) -> None:
    def any_bad(_: Any, frame: pl.DataFrame) -> bool:
        return not set(frame["s0"].cast(pl.String)).isdisjoint(map(str, bad))

    _raising(monkeypatch, cleaning, "clean_columns", any_bad, error)
    found = clean(lines(*SENT, {"id": "x"}), ABOUT)
    assert found.rows["id"].to_list() == [n for n in range(1, 8) if n not in bad]
    reason = f"unreadable:{type(error).__name__}"
    assert [r.message + 1 for r in found.rejects if r.reasons == (reason,)] == bad
    assert [r.message for r in found.rejects if r.reasons == ("invalid:id",)] == [7]
    assert found.faults["id"]["invalid"] == 1
    assert found.read == 8


def test_a_batch_of_unreadable_messages_has_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = clean(b"", ABOUT).rows
    _raising(monkeypatch, cleaning, "clean_columns", lambda _, f: f.height, ValueError())
    found = clean(lines(*SENT), ABOUT)
    assert found.rows.equals(wanted)
    assert found.rejected == found.read == 7


def test_what_is_no_messages_fault_fails_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (ContractError("t.toml: deploy it again"), MemoryError()):
        with monkeypatch.context() as patch:
            _raising(patch, cleaning, "clean_columns", lambda *_: True, error)
            with pytest.raises(type(error)):
                clean(lines(*SENT), ABOUT)


def _has_five(_: Any, frame: pl.DataFrame) -> bool:
    return "5" in frame["s0"].cast(pl.String).to_list()


def test_an_unreadable_message_is_kept_as_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, cleaning, "clean_columns", _has_five, ValueError("bug"))
    objects, report = transform(lines(*SENT), ABOUT, KEY, "execution")
    assert report["rejected_by"] == {"unreadable:ValueError": 1}
    assert (report["read"], report["accepted"]) == (7, 6)
    bodies = {stored.key: stored.body for stored in objects}
    (reject,) = gzip.decompress(bodies[report["rejected_key"]]).splitlines()
    assert json.loads(reject)["payload"] == json.loads(line(SENT[4]))["payload"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (one_row_per_key, "_in_key_order"),
        (bodies, "copy_csv"),
        (bodies, "copy_groups"),
        (bodies, "describe"),
    ],
)
@pytest.mark.parametrize("bad", [[1], [7], [2, 3], [1, 2, 3, 4, 5, 6, 7]])
def test_a_message_that_cant_be_written_costs_itself_alone(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, bad: list[int]
) -> None:
    def any_bad(*args: Any) -> bool:
        frames = [arg.rows if isinstance(arg, CleanBatch) else arg for arg in args]
        (rows,) = [frame for frame in frames if isinstance(frame, pl.DataFrame)]
        return not set(rows["id"]).isdisjoint(bad)

    _raising(monkeypatch, owner, name, any_bad, PANIC)
    sent = [*SENT, {"id": 4, "v": 0}, {"id": "x"}]
    objects, report = transform(lines(*sent), ABOUT, KEY, "execution")
    assert report["read"] == 9
    assert report["conflicts"] == (4 not in bad)
    reasons = {"invalid:id": 1, "unreadable:PanicException": len(bad) + (4 in bad)}
    assert report["rejected_by"] == reasons
    assert report["accepted"] == 7 - len(bad)
    found = {stored.key: stored.body for stored in objects}
    kept = map(json.loads, gzip.decompress(found[report["rejected_key"]]).splitlines())
    payloads = [line["payload"] for line in kept if "unreadable" in line["reasons"][0]]
    sent_bad = [line(message) for message in sent if message["id"] in bad]
    assert payloads == [json.loads(envelope)["payload"] for envelope in sent_bad]


def test_an_error_that_no_message_is_the_cause_of_fails_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _raising(monkeypatch, bodies, "copy_csv", lambda rows: rows.height > 1, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        transform(lines(*SENT), ABOUT, KEY, "execution")


def test_rejects_are_kept_where_their_own_texts_cant_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("functions.transform.rejects.reading_texts", None)
    about = contract_of(V, message="readings")
    objects, report = transform(lines({"readings": [{}, 5]}), about, KEY, "execution")
    bodies = {stored.key: stored.body for stored in objects}
    found = gzip.decompress(bodies[report["rejected_key"]]).splitlines()
    first, second = map(json.loads, found)
    assert first["payload"] is not None
    assert (first["reading"], second["reading"]) == (None, None)
    assert report["rejected"] == 2
