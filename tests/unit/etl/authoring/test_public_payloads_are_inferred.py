"""Made-up messages in the forms of twelve public products: each reading is a row, nothing edited.

docs/authoring.md has the table; UPDATE_GOLDEN=1 writes it again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from etl.authoring.samples import read_sample
from tests.unit.etl.authoring.proved import proved

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "authoring.md"
FILES = sorted((ROOT / "contracts" / "examples" / "payloads").glob("*.ndjson"))
TABLE = re.compile(r"(?<=\| file \| readings \| rows \| key \|\n\|---\|---\|---\|---\|\n)(\|.*\n)*")
READINGS = {"opc_ua": 48, "sparkplug_json": 48, "telegraf": 72}
"""Readings in files whose messages have several; the others have one in each of 24 messages."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_reading_is_a_row_and_no_value_is_lost(file: Path) -> None:
    found = proved(read_sample([file], 1000))
    report = found.proof.report
    wanted = READINGS.get(file.stem, 24)
    assert found.proof.losses == []
    assert (report.read, report.accepted, report.verdict) == (wanted, wanted, "pass")


def test_the_page_lists_them() -> None:
    lines = []
    for file in FILES:
        found = proved(read_sample([file], 1000))
        report = found.proof.report
        key = ", ".join(f"`{name}`" for name in found.contract.key)
        lines.append(f"| `{file.stem}` | {report.read} | {report.accepted} | {key} |\n")
    page = PAGE.read_text(encoding="utf-8")
    wanted = TABLE.sub(lambda _: "".join(lines), page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
    assert lines[0] in wanted
