"""Helpers of the tests of ``infer``: a sample, what is inferred from it, and the proof."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from etl.authoring.draft import ContractDraft
from etl.authoring.infer import infer, parse_draft
from etl.authoring.proof import Proof, prove
from etl.authoring.samples import Message, Sample
from telemetry.contract import Contract

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = int(START.timestamp())


class Proved(NamedTuple):
    """An inferred contract and its proof."""

    draft: ContractDraft
    contract: Contract
    proof: Proof

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.contract.columns}


def at(n: int, form: str = "%Y-%m-%dT%H:%M:%SZ", step: int = 60) -> str:
    """The n-th time, in any form."""
    return (START + timedelta(seconds=step * n)).strftime(form)


def sample_of(documents: Iterable[Any]) -> Sample:
    messages = tuple(Message(json.dumps(document).encode()) for document in documents)
    return Sample(messages, len(messages))


def proved(documents: Iterable[Any] | Sample) -> Proved:
    sample = documents if isinstance(documents, Sample) else sample_of(documents)
    draft = infer(sample, "lab")
    contract = parse_draft(draft)
    return Proved(draft, contract, prove(draft, contract, sample))


def check_kept(
    documents: Sequence[Any] | Sample, rows: int, key: Sequence[str], full: Sequence[str] = ()
) -> Proved:
    """Each distinct reading is a row, these columns have all their values, and nothing is lost."""
    found = proved(documents)
    report = found.proof.report
    assert found.proof.losses == []
    assert (report.accepted, report.conflicts, report.rejected) == (rows, 0, 0)
    assert found.contract.key == tuple(key)
    columns = {column.name: column for column in report.columns}
    for name in full:
        column = columns[name]
        assert (column.missing, column.invalid, column.out_of_range) == (0, 0, 0), name
    return found
