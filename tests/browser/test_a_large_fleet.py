"""Five thousand devices, and then a database that goes away: the page stays quick, and says so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl.deployment.laptop import bring_up
from functions.migrate.migration import migrate
from local.database import Database
from local.postgres import temporary_server
from telemetry.contract import load_contract
from telemetry.database import Credentials
from tests.browser.chromium import Browser
from tests.browser.control_room import RunningControlRoom, control_room, violations
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DEVICES, READINGS = 5000, 200
PATIENCE_SECONDS = 15.0
"""Far above the second that a page takes: a busy machine is no failure, a scan per device is."""
TRIES_SECONDS = 120.0
"""In which one of the tries must be as quick: a busy machine is slow at times, not always."""
AWAY = "() => document.querySelector('main').textContent.includes('PostgreSQL can')"
FILL = f"""
INSERT INTO telemetry.fleet_readings (device_id, ts, temperature_c, humidity_pct, received_at)
SELECT 'box-' || to_char(d, 'FM0000'), now() - n * interval '7 minutes' - d * interval '1 s',
       20 + 5 * sin(n / 20.0), 50, now()
FROM generate_series(1, {DEVICES}) d, generate_series(0, {READINGS - 1}) n
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with temporary_server() as server:
        with closing(psycopg2.connect(server.dsn())) as connection:
            contract = load_contract(Path("contracts/fleet.toml"))
            migrate(connection, contract, Credentials("loader", "not-a-secret"))
        with closing(psycopg2.connect(server.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(FILL)
                cursor.execute("VACUUM ANALYZE telemetry.fleet_readings")
        yield server


@pytest.fixture(scope="module")
def room(database: Database) -> Iterator[RunningControlRoom]:
    from local.stack import stop

    with state_folder() as state:
        try:
            bring_up(
                state, "large", Path("contracts/fleet.toml"), trigger="schedule",
                schedule="rate(1 day)", sweep="rate(1 day)", die_with_parent=True,
            )  # fmt: skip
            with control_room(state, "large", "--database-url", database.dsn()) as running:
                yield running
        finally:
            stop(state)


def test_five_thousand_devices_do_not_make_it_slow(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = room.open(browser, "/fleet")
    times = {}
    for name, query in {
        "first page": "",
        "last page": "?page=100",
        "search": "?search=box-49",
        "silent longest": "?sort=silent",
        "most readings": "?sort=readings&span=24h",
    }.items():
        address = f"{room.base}/fleet{query}"
        times[name] = seconds_of(lambda address=address: shows_devices(page, address))
    times["device with charts"] = seconds_of(lambda: shows_a_device(page, room.base))
    print(f"\n{DEVICES:,} devices, {DEVICES * READINGS:,} rows, seconds: {times}")
    assert max(times.values()) < PATIENCE_SECONDS, times
    # What a person would feel: how long the browser is busy with the page's refreshing.
    page.goto(room.base + "/fleet")
    limit = time.monotonic() + TRIES_SECONDS
    while (longest := longest_task(page)) >= 1000:
        assert time.monotonic() < limit, f"a refresh kept the page busy for {longest} ms"


def seconds_of(show: Callable[[], bool]) -> float:
    """What the first try takes that shows all within the patience, or the last one."""
    limit = time.monotonic() + TRIES_SECONDS
    while True:
        began = time.monotonic()
        shown = show()
        took = round(time.monotonic() - began, 3)
        if (shown and took < PATIENCE_SECONDS) or time.monotonic() > limit:
            assert shown
            return took


def shows_devices(page: Any, address: str) -> bool:
    page.goto(address, wait_until="load")
    return bool(page.locator("tbody tr").count() == 50)


def shows_a_device(page: Any, base: str) -> bool:
    page.goto(base + "/fleet")
    page.click("text=box-0007")
    page.wait_for_selector(".chart")
    return True


def longest_task(page: Any) -> float:
    """Milliseconds for which ten refreshes keep the browser busy at most, without a break."""
    found: float = page.evaluate(
        """async () => {
          let longest = 0;
          new PerformanceObserver(l => l.getEntries().forEach(
            e => longest = Math.max(longest, e.duration))).observe({entryTypes: ["longtask"]});
          for (let i = 0; i < 10; i++) { await refresh(); await new Promise(r => setTimeout(r, 60)); }
          return longest;
        }"""
    )
    return found


def test_a_database_that_goes_away_is_reported_and_the_page_stays(
    room: RunningControlRoom, database: Database, browser: Browser
) -> None:
    page = room.open(browser, "/", strict=False)
    pid = int(
        (database.owner_password_file.parent / "data" / "postmaster.pid").read_text().split()[0]
    )
    os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    page.wait_for_function(AWAY, timeout=120_000)
    assert "PostgreSQL can't be reached" in page.inner_text("#verdict")
    assert page.locator("nav .dot.bad").count() == 1
    assert "not-a-secret" not in page.content()
    assert database.owner_password not in page.content()
    assert violations(page) == []
    for path in (
        "/executions",
        "/rejects",
        "/quarantine",
        "/quality",
        "/fleet",
        "/device?id=box-1",
    ):
        page.goto(room.base + path)
        assert page.locator("h1").count() == 1
        if path != "/executions":  # Step Functions still answers
            # An answer of before may still hold for a few seconds; then the page says so by itself.
            page.wait_for_function(AWAY, timeout=120_000)
    assert page.watched.errors == [], "an error state is no error of the page"
