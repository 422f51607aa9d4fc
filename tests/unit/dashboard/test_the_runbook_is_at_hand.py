"""The control room shows the documentation: every section that an alarm names can be opened."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard.documentation import read_page, section_address
from dashboard.health import diagnose
from etl.operations.alarms import Alarm
from infrastructure.core.alarms import ALARMS
from tests.unit.dashboard.test_health_is_one_line import HEALTHY, answer

PAGES = sorted(path.stem for path in Path("docs").glob("*.md"))
NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def html(name: str) -> str:
    page = read_page(name)
    assert page is not None
    return str(page.html)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_shown_without_script_and_with_links_that_lead_somewhere(name: str) -> None:
    text = html(name)
    assert "<script" not in text
    assert "<img" not in text
    for address in re.findall(r'href="([^"]*)"', text):
        if address.startswith("https://"):
            continue
        page, _, section = address.partition("#")
        shown = html(page.removeprefix("/docs/")) if page else text
        assert not section or f'id="{section}"' in shown, address


@pytest.mark.parametrize("spec", ALARMS, ids=lambda spec: spec.name)
def test_an_alarm_that_fires_opens_its_section(spec) -> None:
    alarm = Alarm(f"s-{spec.name}", spec.name, "ALARM", NOW, "why", spec.description, ("topic",))
    (problem,) = diagnose(replace(HEALTHY, alarms=answer([alarm]))).problems
    assert problem.sentence.startswith(spec.meaning.split(". ")[0].rstrip("."))
    assert spec.name in problem.sentence
    assert problem.link is not None
    page, _, section = problem.link[0].partition("#")
    assert page == "/docs/runbook"
    assert f'id="{section}"' in html("runbook")


@pytest.mark.parametrize(
    "name", ["../README", "..%2fREADME", "no-such-page", "", "internals/words", "runbook.md", "%00"]
)
def test_nothing_but_pages_is_read(name: str) -> None:
    assert read_page(name) is None


def test_a_section_has_an_address() -> None:
    assert section_address("docs/runbook.md#no-data") == "/docs/runbook#no-data"
