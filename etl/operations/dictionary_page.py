"""The data dictionary as a page of Markdown or HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from etl.authoring.dictionary import DataDictionary
from etl.operations.contract_facts import ContractFacts
from etl.operations.escaping import escape_text

__all__ = ["as_html", "as_markdown"]

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:0 0 1.5rem}"
    "th,td{border-bottom:1px solid #8884;padding:.3rem .8rem .3rem 0;text-align:left;"
    "vertical-align:top}"
)


@dataclass
class _Table:
    heads: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)

    def without_empty(self) -> _Table:
        """The same without columns that have nothing in any row."""
        kept = [n for n in range(len(self.heads)) if any(row[n] for row in self.rows)]
        rows = [[row[n] for n in kept] for row in self.rows]
        return _Table([self.heads[n] for n in kept], rows)


@dataclass
class _Section:
    title: str
    sentences: list[str]
    table: _Table | None = None


def _sections(page: DataDictionary, facts: ContractFacts | None) -> Iterable[_Section]:
    about = [f"Table {page.table}, key {', '.join(page.key)}.", f"Topic {page.topic}."]
    about.append(f"Contract {page.contract}, version {page.version}.")
    described = [page.description] if page.description else []
    yield _Section(f"Data dictionary: {page.contract}", described + about)
    if facts is not None:
        yield _freshness(facts)
    columns = _Table(
        ("column", "type", "unit", "", "allowed", "an invalid value", "from", "description")
    )
    for one in page.columns:
        marks = [mark for mark, holds in (("key", one.key), ("required", one.required)) if holds]
        columns.rows.append(
            [
                one.name,
                one.type,
                one.unit,
                ", ".join(marks),
                one.allowed,
                one.invalid,
                one.sources,
                one.description,
            ]
        )
    yield _Section("Columns", [], columns.without_empty())
    yield _Section("Table", [], _Table(("rule", ""), [list(rule) for rule in page.rules]))
    checks = _Table(("of a micro-batch", ""), [list(check) for check in page.checks])
    yield _Section("Checks", [], checks)


def _freshness(facts: ContractFacts) -> _Section:
    if facts.last_load is None:
        sentences = ["Nothing has been loaded yet."]
    else:
        sentences = [f"Newest reading {_time(facts.newest)}, last load {_time(facts.last_load)}."]
    loads = _Table(("loaded at", "status", "readings", "accepted", "rejected", "newest", "batch"))
    for one in facts.loads:
        numbers = [f"{number:,}" for number in (one.read, one.accepted, one.rejected)]
        row = [_time(one.loaded_at), one.status, *numbers, _time(one.newest), one.batch_id]
        loads.rows.append(row)
    return _Section("Freshness", sentences, loads if loads.rows else None)


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def as_markdown(page: DataDictionary, facts: ContractFacts | None = None) -> str:
    """The page as Markdown; ``facts`` are of a deployed contract."""
    parts = []
    for level, section in enumerate(_sections(page, facts)):
        parts.append(f"{'##' if level else '#'} {_markdown(section.title)}\n")
        parts += [f"{_markdown(sentence)}\n" for sentence in section.sentences]
        if section.table is not None:
            rule = ["---"] * len(section.table.heads)
            lines = (section.table.heads, rule, *section.table.rows)
            parts.append("".join(f"| {' | '.join(map(_markdown, line))} |\n" for line in lines))
    return "\n".join(parts)


def _markdown(text: str) -> str:
    safe = " ".join(escape_text(text).split())
    for character in "\\|<`*":
        safe = safe.replace(character, f"\\{character}")
    return safe


def as_html(page: DataDictionary, facts: ContractFacts | None = None) -> str:
    """The page as one HTML file, without scripts or anything to load."""
    title = _html(f"Data dictionary: {page.contract}")
    parts = [f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>']
    parts.append(f"<style>{STYLE}</style>")
    for level, section in enumerate(_sections(page, facts)):
        heading = "h2" if level else "h1"
        parts.append(f"<{heading}>{_html(section.title)}</{heading}>")
        parts += [f"<p>{_html(sentence)}</p>" for sentence in section.sentences]
        if section.table is not None:
            parts.append(f"<table><tr>{_cells('th', section.table.heads)}</tr>")
            parts += [f"<tr>{_cells('td', row)}</tr>" for row in section.table.rows]
            parts.append("</table>")
    return "\n".join([*parts, "</html>", ""])


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{_html(text)}</{tag}>" for text in texts)


def _html(text: str) -> str:
    return html.escape(escape_text(text))
