"""A command that waits says what for and for how long, on a terminal and in a log."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from etl.cli import wait_line
from etl.cli.terminal import SafeConsole


def _console(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    written = io.StringIO()
    console = SafeConsole(file=written, force_terminal=terminal, width=100)
    monkeypatch.setattr(wait_line, "notes", console)
    return written


def test_on_a_terminal_the_line_names_the_wait_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    written = _console(monkeypatch, terminal=True)
    with wait_line.waiting("waiting for the notification", "at most 60 s") as say:
        say("3 of 5 parts")
    assert "waiting for the notification" in written.getvalue()
    assert "3 of 5 parts" in written.getvalue()
    assert "at most 60 s" in written.getvalue()


def test_in_a_log_a_long_wait_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = _console(monkeypatch, terminal=False)
    monkeypatch.setattr(wait_line, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(wait_line, "NEXT_LINE_SECONDS", 0.0)
    printed = threading.Event()
    text = "invoking the sweep"

    def note(line: str, **_: Any) -> None:
        written.write(line + "\n")
        if "3 batches" in line:
            printed.set()

    monkeypatch.setattr(wait_line.notes, "print", note)
    with wait_line.waiting(text, "Ctrl-C stops waiting") as say:
        say("3 batches to go")
        assert printed.wait(60)
    first, *_, last = written.getvalue().splitlines()
    assert first.endswith("Ctrl-C stops waiting")
    assert first.startswith("invoking the sweep: ")
    assert "3 batches to go" in last


def test_in_a_log_a_short_wait_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    written = _console(monkeypatch, terminal=False)
    monkeypatch.setattr(wait_line, "FIRST_LINE_SECONDS", 3_600.0)
    with wait_line.waiting("asking"):
        pass
    assert written.getvalue() == ""
