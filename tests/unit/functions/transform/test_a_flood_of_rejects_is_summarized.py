"""Messages of millions of nothings: counted to the unit, told together, within bounds."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from functions.transform import clean as cleaning
from functions.transform import clean_batch
from functions.transform.clean import clean
from functions.transform.handler import transform
from functions.transform.rejects import rejected_lines
from functions.transform.report import describe
from tests.unit.functions.transform.envelopes_for import KEY, contract_of, line, lines

CONTRACT = contract_of('[columns.v]\ntype = "float"\nrange = [0, 9]', message="r")
NOTHINGS = [{}, 5, {"id": 1, "v": 10}, {"id": "x"}, {"id": 2}, None]


def told(raw: bytes) -> list[dict[str, Any]]:
    body = rejected_lines(clean(raw, CONTRACT), CONTRACT)
    return [json.loads(text) for text in gzip.decompress(body).splitlines()]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_batch, "LISTED_REJECTS", 12)


def test_beyond_a_number_the_rejects_of_a_message_share_lines(few: None) -> None:
    raw = lines({"r": NOTHINGS}, {"r": NOTHINGS}, {"r": NOTHINGS}, b"{", {"r": [{"id": 3}, {}]})
    found = told(raw)
    assert [line["index"] for line in found[:10]] == [0, 1, 2, 3, 5] * 2
    assert all("readings" not in line for line in found[:10])
    third = [(line["reasons"], line.get("readings"), line["index"]) for line in found[10:-2]]
    assert third == [
        (["invalid:id"], None, None),
        (["missing:id"], None, None),
        (["not_an_object"], 2, None),
        (["out_of_range:v"], None, None),
    ]
    assert [line["reasons"] for line in found[-2:]] == [["not_json"], ["missing:id"]]
    assert found[-1]["index"] == 1
    payloads = [base64.b64decode(line["payload"]) for line in found if line["payload"]]
    assert len(payloads) == 5


def test_all_counts_stay_those_of_readings(few: None) -> None:
    raw = lines(*[{"r": NOTHINGS}] * 20)
    fast, slow = clean(raw, CONTRACT), clean(raw, CONTRACT, bulk=False)
    assert fast.rejects == slow.rejects
    report = describe(fast, CONTRACT)
    assert (report["read"], report["rejected"], fast.rows.height) == (120, 100, 1)
    assert report["rejected_by"] == {
        "invalid:id": 20,
        "missing:id": 20,
        "not_an_object": 40,
        "out_of_range:v": 20,
    }
    lines_told = told(raw)
    assert sum(line.get("readings", 1) for line in lines_told) == 100


def test_how_messages_are_split_into_runs_decides_nothing(
    few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = lines(*[{"r": NOTHINGS}] * 9, b"{", {"r": NOTHINGS[:2]})
    whole = clean(raw, CONTRACT).rejects
    monkeypatch.setattr(cleaning, "RUN_BYTES", 100)
    assert clean(raw, CONTRACT).rejects == whole


FLOOD = """
import sys
from tests.fixtures.peak_memory import peak_of_this_process
from tests.unit.functions.transform.test_a_flood_of_rejects_is_summarized import flood
report = flood(int(sys.argv[1]))
print(report["read"], report["rejected"], round(peak_of_this_process()))
"""


def flood(messages: int) -> dict[str, Any]:
    """The report of so many messages as large as AWS IoT takes, of nothing, and one reading."""
    nothing = b'{"r":[' + b",".join([b"{}"] * 43_000) + b"]}"
    raw = b"\n".join([line({"r": [{"id": 1, "v": 1}]}), *[line(nothing, 2)] * messages])
    _, report = transform(raw, CONTRACT, KEY, "execution")
    return report


@pytest.mark.slow
def test_a_batch_of_millions_of_nothings_fits_the_functions_memory() -> None:
    """In a process of its own: what counts is the peak of one call."""
    answer = subprocess.run(
        [sys.executable, "-c", FLOOD, "100"],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[4],
        env={"PYTHONPATH": ".:layers/shared"},
        text=True,
    )
    read, rejected, peak = map(int, answer.stdout.split())
    assert (read, rejected) == (4_300_001, 4_300_000)
    assert peak < 900  # MiB; the function has 2,048
