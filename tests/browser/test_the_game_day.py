"""Each failure of the game day: seen by command and in the control room, repaired, accounted for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.aws.target import DEFAULT_STACK
from etl.rehearsals import running
from etl.rehearsals.registry import REHEARSALS
from etl.rehearsals.scene import Scene
from local import stack
from tests.browser.chromium import Browser
from tests.browser.control_room import RunningControlRoom, control_room, environment
from tests.browser.test_the_control_room import wait_for_text
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SECONDS = 900
SHOWN = {
    "database-away": ("/", "PostgreSQL|database"),
    "wrong-contract": ("/rejects", "out_of_range:temperature_c"),
    "poison-batch": ("/quarantine", "70% of .* readings were rejected"),
    "key-too-small": ("/quarantine", r"probably too small[\s\S]*Do not release it yet"),
    "wrong-password": ("/executions?status=FAILURES", "another password than its secret"),
    "queue-backlog": ("/", r"2,000 messages wait in the queue, and no trigger drains it"),
    "clock-wrong": ("/rejects", "too_old:ts"),
    "expired-certificate": ("/", "✓ Balanced: every reading is accounted for"),
    "throttled": ("/executions?status=FAILURES", "TooManyRequestsException"),
    "disk-full": ("/executions?status=FAILURES", "No space left on device"),
}
"""Page of the control room, and a pattern of what it says before the repair. A device that can't
connect is nowhere in it: the account of what arrived is whole."""
TOLD = {
    "database-away": "PostgreSQL is down since",
    "wrong-contract": "out_of_range:temperature_c",
    "poison-batch": "invalid:temperature_c",
    "key-too-small": "have the key of",
    "wrong-password": "SchemaBehindError",
    "queue-backlog": "2,000 messages wait in the queue, and no trigger drains it",
    "clock-wrong": "adrift-1",
    "expired-certificate": "its certificate expired on",
    "throttled": "Lambda.TooManyRequestsException",
    "disk-full": "No space left on device",
}
"""Part of what the commands say before the repair."""


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with state_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def room(state: Path) -> Iterator[RunningControlRoom]:
    game_day = state / "game-day"
    try:
        Scene(game_day).start(die_with_parent=True)
        with control_room(game_day, DEFAULT_STACK) as one:
            yield one
    finally:
        stack.stop(game_day)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended before it said {text!r}:\n{said}")


@contextmanager
def rehearsing(state: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """``etl game-day run``, which waits for a repair; killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "etl.cli.main", "--state", str(state), "game-day", "run", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", REHEARSALS)
def test_a_failure_is_seen_repaired_and_nothing_is_lost(
    name: str, state: Path, room: RunningControlRoom, browser: Browser, tmp_path: Path
) -> None:
    unavailable = REHEARSALS[name]().unavailable()
    if unavailable:
        pytest.skip(unavailable)
    with rehearsing(state, name) as process:
        seen = read_until(process, "Press Enter")
        assert TOLD[name] in seen, seen
        path, pattern = SHOWN[name]
        page = room.open(browser, path)
        wait_for_text(page, "main", pattern, 120)
        browser.shoot(page, tmp_path / f"{name}.png")
        rest, _ = process.communicate("r\n", timeout=SECONDS)
    assert process.returncode == 0, rest
    assert "balanced: every reading is accounted for" in rest
    assert "Nothing is lost or duplicated" in rest
    assert not (state / "game-day" / "fault").exists()


def test_the_next_start_undoes_the_fault_of_a_rehearsal_that_was_killed(
    state: Path, room: RunningControlRoom
) -> None:
    with rehearsing(state, "database-away") as process:
        read_until(process, "Press Enter")
        process.kill()  # SIGKILL: it can undo nothing
    game_day = state / "game-day"
    assert [one.role for one in stack.down_servers(game_day)] == ["postgres"]
    scene = Scene(game_day)
    running.start(scene)
    assert stack.down_servers(game_day) == []
    assert not (game_day / "fault").exists()
    account = running.account_before(scene)  # the sweep alone loads what failed
    assert account.verdict.status == "balanced"
