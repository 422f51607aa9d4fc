"""``etl pgadmin`` as a person uses it: open the page, find the table, see its rows.

``PICTURE=docs/images/pgadmin.png`` takes the picture of the docs anew.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.reconciliation import reconcile
from local.stack import stop
from tests.browser.chromium import Browser
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]

SCHEMA, TABLE = "telemetry", "fleet_readings"


@dataclass
class Running:
    """A pgAdmin that ``etl pgadmin`` started."""

    target: Target
    url: str
    page: Path
    process: subprocess.Popen[str]

    @property
    def folder(self) -> Path:
        return self.page.parent


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A pipeline that has loaded readings of three devices."""
    with state_folder() as state:
        try:
            target = bring_up(
                state, "telemetry", Path("contracts/fleet.toml"), trigger="queue", window=1,
                schedule="rate(1 day)", die_with_parent=True,
            )  # fmt: skip
            options = ["--state", str(state)]
            simulated = CliRunner().invoke(
                app, [*options, "simulate", "--devices", "3", "--duration", "2", "--seed", "7"]
            )
            assert simulated.exit_code == 0, simulated.output
            assert not reconcile(target, 240).in_progress
            yield target
        finally:
            stop(state)


@pytest.fixture(scope="module")
def running(target: Target) -> Iterator[Running]:
    command = [sys.executable, "-m", "etl.cli.main", "--state", str(target.state)]
    process = subprocess.Popen(
        [*command, "pgadmin", "--no-open", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    told = json.loads(text)
    yield Running(target, told["url"], Path(told["page"]), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "stopped" in errors
    assert not (Path(told["page"]).parent / "passfile").exists()


def entry(page: Any, label: str, depth: int) -> Any:
    """A line of pgAdmin's tree."""
    name = page.locator(".file-name", has_text=re.compile(f"^{re.escape(label)}$"))
    return page.locator(f'.file-entry[data-depth="{depth}"]', has=name).first


def expand(page: Any, *labels: str) -> None:
    for depth, label in enumerate(labels, start=1):
        line = entry(page, label, depth)
        line.wait_for()
        arrow = line.locator(".directory-toggle")
        limit = time.monotonic() + 120
        page.wait_for_timeout(500)  # a line is there a moment before its arrow works
        while "open" not in arrow.get_attribute("class").split():
            assert time.monotonic() < limit, f"{label} does not open"
            arrow.click()
            page.wait_for_timeout(2000)


def frame_of(page: Any, mark: str) -> Any:
    """The query tool lives in a frame of its own; the last one with that in its address."""
    for _ in range(600):
        found = [frame for frame in page.frames if mark in frame.url]
        if found:
            return found[-1]
        page.wait_for_timeout(200)
    raise AssertionError(f"no frame with {mark}: {[frame.url for frame in page.frames]}")


def select_the_table(page: Any) -> None:
    """From the registered server down to the table."""
    expand(
        page, "Telemetry ETL", "telemetry (loader)", "Databases", "telemetry", "Schemas", SCHEMA,
        "Tables",
    )  # fmt: skip
    line = entry(page, TABLE, 8)
    line.scroll_into_view_if_needed()
    line.click()


def test_the_tables_rows_are_on_the_page(browser: Browser, running: Running) -> None:
    page = browser.open(running.page.as_uri(), height=820)
    select_the_table(page)
    page.locator('button[aria-label="All Rows"]').click()
    tool = frame_of(page, "is_query_tool=false")
    tool.get_by_text("device-0001").first.wait_for()
    rows = reconcile(running.target, 0).rows
    assert rows > 100
    assert tool.get_by_text(re.compile(r"^Showing rows: 1 to ")).is_visible()
    picture = os.environ.get("PICTURE")
    if picture:  # without tooltips and notices
        page.mouse.move(700, 400)
        page.wait_for_timeout(15_000)
    browser.shoot(page, Path(picture) if picture else running.folder / "rows.png", whole=False)


def test_a_saved_query_runs_from_the_menu(browser: Browser, running: Running) -> None:
    page = browser.open(running.url)
    select_the_table(page)
    page.locator('button[aria-label="Query Tool"]').click()
    tool = frame_of(page, "is_query_tool=true")
    tool.locator('button[name="menu-macros"]').click()
    tool.get_by_text("Telemetry: Rows per device").click()
    tool.get_by_text("Showing rows: 1 to 3").wait_for()
    for device in ("device-0001", "device-0002", "device-0003"):
        tool.get_by_text(device).wait_for()
    browser.shoot(page, running.folder / "query.png", whole=False)


@pytest.mark.parametrize("key", ["", "?key=", "?key=guessed"])
def test_no_one_gets_in_without_the_key(running: Running, key: str) -> None:
    for path in ("", "browser/", "misc/ping", "sqleditor/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{running.url.split('?')[0]}{path}{key}", timeout=120)
        refused.value.close()
        assert refused.value.code == 401


def test_others_on_this_machine_can_read_neither_key_nor_password(running: Running) -> None:
    assert running.folder.stat().st_mode & 0o077 == 0
    for name in ("passfile", "open.html", "pgadmin4.db"):
        assert (running.folder / name).stat().st_mode & 0o077 == 0
    key = running.url.split("=")[1]
    password = (running.folder / "passfile").read_text().strip().rsplit(":", 1)[1]
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert key not in lines
    assert password not in lines


def test_a_second_one_is_refused_with_the_way_to_the_first(running: Running) -> None:
    result = CliRunner().invoke(app, ["--state", str(running.target.state), "pgadmin", "--no-open"])
    assert result.exit_code == 1
    assert "is already running" in result.output
    assert (running.folder / "passfile").exists()


def test_what_is_exported_has_no_password(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    options = ["--state", str(running.target.state), "pgadmin", "--export", str(file)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    servers = json.loads(file.read_text())["Servers"].values()
    assert {s["ConnectionParameters"]["sslmode"] for s in servers} == {"verify-full"}
    password = running.target.database_settings()["password"]
    assert password not in file.read_text() + result.output
