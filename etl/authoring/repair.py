"""Losses that Transform would have of a sample under a draft, and the changes that avoid them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.columns import as_text
from etl.authoring.draft import ColumnDraft
from etl.authoring.members import Members
from etl.authoring.samples import Sample
from functions.transform.clean import clean
from telemetry.contract import Contract

__all__ = ["Losses", "losses_of", "repair_columns"]


@dataclass(frozen=True)
class Losses:
    """The columns that lose values or reject readings, and the readings in conflict."""

    columns: frozenset[str]
    conflicts: int

    def __bool__(self) -> bool:
        return bool(self.columns or self.conflicts)


def losses_of(contract: Contract, sample: Sample) -> Losses:
    """Cleans the sample with the contract and collects what is lost."""
    from etl.authoring.check import envelopes

    batch = clean(envelopes(sample.messages, contract), contract)
    columns = {name for name, faults in batch.faults.items() if any(faults[f] for f in faults)}
    columns |= {
        reason.split(":", 1)[1]
        for reject in batch.rejects
        for reason in reject.reasons
        if ":" in reason and not reason.startswith("missing:")
    }
    kept = {
        column.name
        for column in contract.columns
        if any(
            other is not column and set(column.sources) <= set(other.sources)
            and other.type in ("text", "jsonb") and not any(batch.faults[other.name].values())
            for other in contract.columns
        )
    }  # fmt: skip
    return Losses(frozenset(columns - kept), len(batch.conflicts))


def repair_columns(drafts: Sequence[ColumnDraft], as_texts: set[str], members: Members) -> None:
    """Makes texts, or JSON, of the columns whose values were lost before."""
    for draft in drafts:
        if draft.sources[0] not in as_texts or draft.type in ("text", "jsonb"):
            continue
        values = [value for place in draft.places for value in members.values[place]]
        if draft.type == "timestamp":
            draft.problem = "some of its values can't be read as times"
        as_text(draft, (value.text for value in values), "some values are of no other type")
