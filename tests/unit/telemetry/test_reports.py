"""A report that was cut or edited is noticed by whoever reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.load.batch import parse_batch
from functions.validate.handler import judged
from telemetry.contract import Checks
from telemetry.errors import BatchCorruptError
from telemetry.reports import parse_report, report_body

REPORT: dict[str, Any] = {"read": 43, "accepted": 43, "rejected_by": {"invalid:é": 1}, "share": 0.1}
EVENT = {"report_key": "reports/one.json", "verdict": "pass", "purpose": "load", "execution": "e"}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text("aé\u2028\x00\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc"), VALUES, max_size=4))
def test_a_report_is_read_as_it_was_written(report: dict[str, Any]) -> None:
    body = report_body(report)
    assert parse_report(body, "one") == report
    assert report_body(parse_report(body, "one")) == body
    assert report_body({**report, "sha256": "older"}) == body


def test_every_cut_and_every_changed_digit_is_noticed() -> None:
    body = report_body(REPORT)
    cut = [body[:end] for end in range(len(body))]
    changed = [
        body.replace(b"43", b"42", 1),
        body.replace(b"0.1", b"0.2"),
        body.replace(b"1\n", b"2\n"),
    ]
    for other in (*cut, *changed, b"[]", b"7", b"null"):
        with pytest.raises(BatchCorruptError, match=r"^The report one .*: replay the batch"):
            parse_report(other, "one")


def test_an_older_report_has_no_checksum() -> None:
    assert parse_report(json.dumps(REPORT).encode(), "one") == REPORT


def test_validate_and_load_refuse_a_report_that_was_edited() -> None:
    body = report_body(REPORT).replace(b'"accepted": 43', b'"accepted": 42')
    with pytest.raises(BatchCorruptError, match="is not what was written"):
        judged(body, Checks(), "reports/one.json")
    with pytest.raises(BatchCorruptError, match="is not what was written"):
        parse_batch(EVENT, body)
