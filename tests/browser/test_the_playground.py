"""A user at the playground: drop a file, see the contract, change it, see the effect, save it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Browser
from tests.browser.control_room import (
    REPOSITORY,
    RunningControlRoom,
    environment,
    room_without_a_stack,
    violations,
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PATIENCE = 120_000
"""Milliseconds that a busy machine may take for a check."""
HOSTILE = '<b id=owned onclick="x">\u202e{{7*7}}'
READINGS = [
    {"device_id": f"box-{n % 4}", "ts": f"2026-03-01T12:00:{n:02}Z",
     "temperature_c": 120.5 if n % 10 == 9 else 20 + n % 7 / 4, "note": HOSTILE}
    for n in range(60)
]  # fmt: skip
MESSAGES = "\n".join(json.dumps(reading) for reading in READINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("project")
    (made / "contracts").mkdir()
    return made


@pytest.fixture(scope="module")
def room(folder: Path) -> Iterator[RunningControlRoom]:
    with room_without_a_stack(folder) as running:
        yield running


def open_page(room: RunningControlRoom, browser: Browser, **options: Any) -> Any:
    page = room.open(browser, "/playground", **options)
    page.set_default_timeout(PATIENCE)
    page.wait_for_selector("#editor .cm-content")
    return page


def choose(page: Any, content: str | bytes = MESSAGES, name: str = "kiln.ndjson") -> None:
    buffer = content if isinstance(content, bytes) else content.encode()
    page.set_input_files("#file", {"name": name, "mimeType": "text/plain", "buffer": buffer})


def wait_for(page: Any, selector: str, text: str | re.Pattern[str]) -> None:
    page.locator(selector).filter(has_text=text).first.wait_for(timeout=PATIENCE)


def figure(page: Any, name: str) -> int:
    text = page.locator(f'.counts [data-key="{name}"] dd').inner_text()
    return int(text.replace(",", ""))


def contract(page: Any) -> str:
    """The editor's text, which the form has before it is sent."""
    page.evaluate(
        "document.getElementById('playground').dispatchEvent("
        "new SubmitEvent('submit', {cancelable: true}))"
    )
    return str(page.locator("#contract").input_value())


def write_below(page: Any, line: str, text: str) -> None:
    page.locator(".cm-line", has_text=line).first.click()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type(text)


def drop(page: Any, content: str, name: str) -> None:
    """What a browser does when a file is dropped on the messages."""
    page.evaluate(
        """([content, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([content], name));
          for (const kind of ["dragenter", "dragover", "drop"]) {
            document.querySelector(".drop").dispatchEvent(
              new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
          }
        }""",
        [content, name],
    )


def test_from_a_dropped_file_to_a_saved_contract(
    room: RunningControlRoom, folder: Path, browser: Browser
) -> None:
    page = open_page(room, browser)
    drop(page, MESSAGES, "my kiln.ndjson")
    wait_for(page, "#result", "No distinct reading and no value would be lost")
    assert (figure(page, "Readings"), figure(page, "Rows")) == (60, 60)
    assert "[columns.temperature_c]" in contract(page)
    assert page.input_value("#name") == "my_kiln"

    write_below(page, "[columns.temperature_c]", "range = [-40, 85]")
    wait_for(page, "#result", "6 values would become NULL")
    row = page.locator(".column-results tr", has_text="temperature_c")
    assert re.search(r"10\.0 %\s+6\s+out of range", row.inner_text())
    page.locator("details[data-key='out_of_range:temperature_c'] summary").click()
    assert "120.5" in page.locator("#result pre").first.inner_text()

    page.keyboard.press("Escape")
    write_below(page, "range = [-40, 85]", "rnage = 1")
    wait_for(page, "#problems", "rnage: is not known here")
    page.locator("#editor .cm-lint-marker-error").wait_for()
    assert page.locator("#stale").is_visible()
    page.locator("#problems button", has_text="Line").click()
    page.keyboard.press("Shift+End")
    page.keyboard.press("Delete")
    page.locator("#problems .message").wait_for(state="detached")
    # The details that were open stay so.
    assert (
        page.locator("details[data-key='out_of_range:temperature_c']").get_attribute("open") == ""
    )

    page.fill("#name", "kiln")
    assert "etl up --contract contracts/kiln.toml" in page.inner_text(".commands")
    assert "etl deploy --contract contracts/kiln.toml" in page.inner_text(".commands")
    assert "etl publish 'my kiln.ndjson'" in page.inner_text(".commands")
    page.click("#save")
    wait_for(page, "#saved", "Saved as contracts/kiln.toml")
    saved = folder / "contracts/kiln.toml"
    assert saved.read_text() == contract(page)
    assert "range = [-40, 85]" in saved.read_text()

    # The command says of the file what the page said of the text.
    (folder / "kiln.ndjson").write_text(MESSAGES)
    command = [sys.executable, "-m", "etl.cli.main", "contract", "check"]
    run = subprocess.run(
        [*command, str(saved), str(folder / "kiln.ndjson"), "--json"],
        cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    report = json.loads(run.stdout)["sample"]
    assert report["accepted"] == figure(page, "Rows") == 60
    assert report["reasons"][0]["values"] == figure(page, "Values lost") == 6


def test_an_existing_contract_is_replaced_only_after_a_question(
    room: RunningControlRoom, folder: Path, browser: Browser
) -> None:
    mine = folder / "contracts/mine.toml"
    mine.write_text("# mine")
    page = open_page(room, browser)
    choose(page)
    wait_for(page, "#result", "60")
    page.fill("#name", "mine")
    page.keyboard.press("Enter")  # in the name, which saves
    wait_for(page, "#saved", "exists, with another content")
    page.click("text=Keep it")
    assert page.locator("#saved *").count() == 0
    assert mine.read_text() == "# mine"
    page.click("#save")
    page.click("text=Replace it")
    wait_for(page, "#saved", "Saved as contracts/mine.toml")
    assert "[columns.temperature_c]" in mine.read_text()


def test_pasted_messages_are_checked_with_the_contract_that_was_edited(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = open_page(room, browser)
    page.fill("#messages", MESSAGES)
    wait_for(page, "#result", "60 messages")
    write_below(page, "[columns.temperature_c]", "range = [-40, 85]")
    wait_for(page, "#result", "6 values would become NULL")
    broken = '{"device_id": "box-1"}'
    page.fill("#messages", MESSAGES + "\n" + broken + "\n" + json.dumps(READINGS[0]))
    wait_for(page, "#result", "62 messages")
    assert "range = [-40, 85]" in contract(page), "the user's work was replaced"
    assert (figure(page, "Rejected"), figure(page, "Repeats")) == (1, 1)
    page.click("#infer")
    page.locator(".cm-line", has_text="range = [-40, 85]").wait_for(state="detached")
    page.locator(".cm-content").focus()
    page.keyboard.press("Control+z")
    page.locator(".cm-line", has_text="range = [-40, 85]").wait_for()


def test_what_is_refused_is_refused_in_a_sentence(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = open_page(room, browser, strict=False)  # the browser itself logs each answer of 400
    choose(page, b"\x00\x01\x02\x03" * 100, "box.bin")
    wait_for(page, "#playground-error", "box.bin: a binary file")
    choose(page, b"x" * 10_000_001, "large.ndjson")
    wait_for(page, "#playground-error", "More than 10 MB")
    choose(page)
    wait_for(page, "#result", "60 messages")
    assert page.locator("#playground-error *").count() == 0
    page.fill("#name", "../mine")
    page.click("#save")
    wait_for(page, "#saved", "Not a valid name")
    assert not page.watched.abroad


def test_what_a_device_sent_stays_text(room: RunningControlRoom, browser: Browser) -> None:
    page = open_page(room, browser)
    choose(page)
    wait_for(page, "#rows", "<b id=owned")
    assert page.locator("#owned").count() == 0
    assert "\\u202e{{7*7}}" in page.inner_text("#rows")
    assert "\u202e" not in page.locator("#result").inner_text()
    assert "\u202e" not in page.locator("#editor").inner_text()


def test_the_contract_is_downloaded_as_it_is_in_the_editor(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = open_page(room, browser)
    choose(page)
    wait_for(page, "#result", "60 messages")
    for _ in range(2):  # a second time, too
        with page.expect_download() as downloaded:
            page.click("#download")
        assert downloaded.value.suggested_filename == "kiln.toml"
        assert Path(downloaded.value.path()).read_text() == contract(page)


def test_the_keyboard_gets_into_the_editor_and_out_of_it(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = open_page(room, browser)

    def focused() -> str:
        return str(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
            )
        )

    page.locator("#messages").focus()
    page.keyboard.insert_text(MESSAGES)
    wait_for(page, "#result", "60 messages")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused() == "Contract (TOML)":
            break
    assert focused() == "Contract (TOML)"
    assert (
        page.locator(".cm-editor.cm-focused").evaluate("e => getComputedStyle(e).outlineStyle")
        == "solid"
    )
    before = contract(page)
    page.keyboard.press("Tab")
    assert focused() != "Contract (TOML)", "Tab does not leave the editor"
    page.keyboard.press("Shift+Tab")
    assert focused() == "Contract (TOML)"
    page.keyboard.press("Shift+Tab")
    assert focused() != "Contract (TOML)"
    assert contract(page) == before
    assert "Tab leaves the editor" in page.inner_text("#editor-help")
    # What a screen reader says after a check.
    assert "Verdict: pass. 60 readings, 60 rows" in page.locator("#said").text_content()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_for_everyone(
    room: RunningControlRoom, browser: Browser, width: int, dark: bool
) -> None:
    page = open_page(room, browser, width=width, dark=dark)
    found = [f"empty: {one}" for one in violations(page)]
    choose(page)
    wait_for(page, "#result", "60 messages")
    write_below(page, "[columns.temperature_c]", "range = [-40, 85]")
    wait_for(page, "#result", "6 values would become NULL")
    found += [f"result: {one}" for one in violations(page)]
    page.keyboard.press("Enter")
    page.keyboard.type("rnage = 1")
    wait_for(page, "#problems", "rnage: is not known here")
    found += [f"problem: {one}" for one in violations(page)]
    page.keyboard.press("Control+f")
    page.locator(".cm-search").wait_for()
    found += [f"search: {one}" for one in violations(page)]
    assert not found, "\n".join(found)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_works_without_scripts(room: RunningControlRoom, browser: Browser) -> None:
    page = room.open(browser, "/playground", java_script_enabled=False)
    page.set_default_timeout(PATIENCE)
    page.fill("#messages", MESSAGES)
    page.click("#infer")
    assert "No distinct reading and no value would be lost" in page.inner_text("#result")
    text = page.input_value("#contract")
    assert text.count("[columns.temperature_c]\n") == 1
    page.fill(
        "#contract",
        text.replace("[columns.temperature_c]", "[columns.temperature_c]\nrange = [-40, 85]"),
    )
    page.locator("main button:visible", has_text="Check").click()
    assert "6 values would become NULL" in page.inner_text("#result")


def test_a_room_that_is_read_only_checks_and_does_not_save(folder: Path, browser: Browser) -> None:
    with room_without_a_stack(folder, "--read-only") as room:
        page = open_page(room, browser)
        choose(page)
        wait_for(page, "#result", "60 messages")
        assert page.locator("#save").count() == 0
        assert "read-only" in page.inner_text("#name-help")
