"""Everything that is wrong with the text of a contract, each problem with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from etl.authoring.regular_expressions import check_expressions
from etl.authoring.units import resolve_units
from telemetry.contract import Contract, parse_contract
from telemetry.ddl import plan_table
from telemetry.errors import ContractError

__all__ = ["ContractProblem", "KeyLines", "read_contract"]

FILE = "contract.toml"
_HEADER = re.compile(r"\s*\[\[?([^\]\n]+)\]")
_ENTRY = re.compile(r"""\s*((?:[\w-]+|"[^"\n]*"|'[^'\n]*'|\s*\.\s*)+?)\s*=""")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")

_HUGE_NUMBER = re.compile(r"\d{1000}")


@dataclass(frozen=True)
class ContractProblem:
    """One thing wrong with a contract."""

    line: int
    """Line in the text, from 1."""
    key: str
    """Dotted path of the entry, such as ``columns.ts.type``; empty where the text is not TOML."""
    sentence: str
    """The problem, and what to write instead."""


class KeyLines:
    """Lines of the entries of a contract's text, by dotted path."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                table = _plain(header[1])
                self._lines.setdefault(table, number)
            elif entry := _ENTRY.match(line):
                self._lines.setdefault(f"{table}.{_plain(entry[1])}".lstrip("."), number)

    def of(self, key: str) -> int:
        """The line of the entry; where the text lacks it, of the nearest table around it, or 1."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key.rpartition(".")[0]
        return 1


def read_contract(text: str) -> tuple[Contract | None, list[ContractProblem]]:
    """The contract, checked as ``etl contract check`` does; ``None`` where there are problems."""
    try:
        contract = parse_contract(text.encode("utf-8", "surrogatepass"), FILE)
    except ContractError as error:
        return None, list(_problems(str(error), FILE, text))
    try:
        contract = resolve_units(contract)
        check_expressions(contract)
        plan_table(contract, None)
    except ContractError as error:
        return None, list(_problems(str(error), contract.name, text))
    return contract, []


def _plain(key: str) -> str:
    """A key as dotted path, without quotes and blanks."""
    return re.sub(r"[\"'\s]", "", key)


def _line_of_syntax(reason: str, text: str) -> int:
    """The line of an error for which the parser reports none."""
    if "end of document" in reason:
        return text.rstrip().count("\n") + 1
    number = _HUGE_NUMBER.search(text) if "digits" in reason else None
    return text.count("\n", 0, number.start()) + 1 if number else 1


def _problems(message: str, prefix: str, text: str) -> Iterator[ContractProblem]:
    lines = KeyLines(text)
    for sentence in message.split("\n"):
        rest = sentence.removeprefix(f"{prefix}: ")
        if found := _AT_LINE.search(rest):
            yield ContractProblem(
                int(found[1]), "", f"The contract {rest.replace(found[0], '').rstrip()}"
            )
            continue
        if rest.startswith("is not"):  # TOML, or UTF-8
            yield ContractProblem(_line_of_syntax(rest, text), "", f"The contract {rest}")
            continue
        key, colon, reason = rest.partition(": ")
        if colon and " " not in key:
            yield ContractProblem(lines.of(key), key, reason)
        else:
            yield ContractProblem(1, "", rest)
