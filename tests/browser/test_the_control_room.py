"""A person at the control room: start, watch an execution, open a reject, replay it, see the row."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from etl.operations.publishing import FleetPlan, publish_file, simulate
from tests.browser.chromium import Browser
from tests.browser.control_room import RunningControlRoom, control_room, violations
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STACK = "room"
HOT = 120.0
"""More than the contract allows at first."""
HOSTILE = (
    b'<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
    b"{{7*7}} \x1b]0;owned\x07 \xe2\x80\xae </code></pre><b id=owned>"
)
PAGES = (
    "/", "/executions", "/executions?status=FAILURES&from=6h", "/docs/runbook", "/rejects", "/rejects?reason=out_of_range:temperature_c", "/quarantine",
    "/dead-letters", "/?span=7d", "/quality?span=6h", "/quality", "/fleet?span=24h", "/fleet", "/device?id=kiln-1", "/actions/replay?reason=out_of_range:temperature_c", "/playground",
)  # fmt: skip


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    from local.stack import stop

    with state_folder() as folder:
        try:
            yield folder
        finally:
            stop(folder)


@pytest.fixture(scope="module")
def pipeline(state: Path) -> Target:
    """With a schedule that never comes: what starts an execution is a person's button."""
    return deploy(state, Path("contracts/fleet.toml"))


def deploy(state: Path, contract: Path) -> Target:
    return bring_up(
        state, STACK, contract, trigger="schedule", schedule="rate(1 day)",
        sweep="rate(1 day)", die_with_parent=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def room(pipeline: Target, state: Path) -> Iterator[RunningControlRoom]:
    with control_room(state, STACK) as running:
        yield running


def publish(target: Target, folder: Path, *lines: dict[str, Any]) -> None:
    file = folder / "readings.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    publish_file(target, target.contract, file, connections=1)


def send_as_the_rule_does(target: Target, payload: bytes, device: str) -> None:
    body = {
        "payload": base64.b64encode(payload).decode(),
        "topic": f"telemetry/fleet/{device}",
        "client_id": device,
        "received_at": int(time.time() * 1000),
    }
    target.client("sqs").send_message(
        QueueUrl=target.outputs["QueueUrl"], MessageBody=json.dumps(body)
    )


def wait_for_text(page: Any, selector: str, pattern: str, seconds: float = 120) -> str:
    """The element's text once it is as wished, by the page's own refreshing alone."""
    page.wait_for_function(
        "([s, p]) => [...document.querySelectorAll(s)].some(e => new RegExp(p).test(e.textContent))",
        arg=[selector, pattern],
        timeout=seconds * 1000,
    )
    return str(page.inner_text(selector))


def rejected(page: Any, reason: str) -> int:
    """Readings that the page counts for a reason."""
    line = page.locator(".reasons li", has_text=reason).locator("b")
    return int(line.inner_text().replace(",", "")) if line.count() else 0


def test_the_way_from_a_reject_to_its_row(
    room: RunningControlRoom, pipeline: Target, state: Path, browser: Browser, tmp_path: Path
) -> None:
    page = room.open(browser)
    wait_for_text(page, "#verdict", "no readings have arrived yet")

    now = datetime.now(UTC).replace(microsecond=0)
    publish(
        pipeline, tmp_path,
        {"device_id": "kiln-1", "ts": now.isoformat(), "temperature_c": HOT, "seq": 1},
        {"device_id": "kiln-1", "ts": now.replace(microsecond=1).isoformat(), "seq": 2},
        {"device_id": "box-1", "ts": now.isoformat(), "temperature_c": 20.5},
    )  # fmt: skip
    send_as_the_rule_does(pipeline, HOSTILE, "evil-1")
    simulate(pipeline, pipeline.contract, FleetPlan(4, 50, 2, 10, mess=0.05, seed=5))
    wait_for_text(page, "#verdict", "in the queue")  # nobody reloads

    page.click("text=Start an execution")
    page.wait_for_url(re.compile(r"/executions/"))
    wait_for_text(page, "main .lead", "succeeded")
    wait_for_text(page, ".rows", "loaded")
    assert page.locator("img.drawn").first.evaluate("i => i.complete && i.naturalWidth > 100")
    wait_for_text(page, "main", "Timeline")

    page.click("nav >> text=Rejects")
    before = rejected(page, "out_of_range:temperature_c")
    page.click(".reasons >> text=out_of_range:temperature_c")
    reject = page.locator(".samples li", has_text="kiln-1").first
    reject.locator("summary").first.click()
    assert str(HOT) in reject.locator("pre").first.inner_text()

    # The contract's own replay changes nothing, and the plan says so.
    reject.locator("text=Replay batches with this reason").click()
    assert "Nothing will change" in page.inner_text("main")
    page.go_back()

    corrected = tmp_path / "corrected.toml"
    text = Path("contracts/fleet.toml").read_text()
    corrected.write_text(text.replace("range = [-60, 85]", "range = [-60, 200]"))
    assert deploy(state, corrected).outputs["ContractDigest"] != pipeline.outputs["ContractDigest"]
    deadline = time.monotonic() + 120
    page.reload()
    page.click("text=Replay these batches")
    while "Nothing will change" in page.inner_text("main"):
        assert time.monotonic() < deadline, "the deployment was not noticed"
        page.wait_for_timeout(500)
        page.reload()
    assert "again from S3 with the contract" in page.inner_text("main")
    page.click("text=Replay 1 batch")
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    wait_for_text(page, "main .lead", "succeeded")
    assert "1 batch processed" in page.inner_text("main .lead")

    page.click("text=Show current rejects")
    page.wait_for_url(re.compile("/rejects"))
    assert rejected(page, "out_of_range:temperature_c") == before - 1
    assert page.locator(".samples li", has_text="kiln-1").count() == 0

    page.click("nav >> text=Fleet")
    page.fill("[name=search]", "kiln")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("search=kiln"))
    page.click("table >> text=kiln-1")
    wait_for_text(page, "h1", "kiln-1")
    summary = page.locator(".plot").nth(1).get_attribute("aria-label")
    assert "temperature_c" in summary
    assert "120" in summary


def test_a_batch_in_quarantine_is_released(
    room: RunningControlRoom, pipeline: Target, browser: Browser
) -> None:
    now = datetime.now(UTC)
    readings = [
        {"ts": (now - timedelta(seconds=n)).isoformat(), "temperature_c": 9.5 if n == 30 else 900}
        for n in range(31)
    ]
    message = {"device_id": "oven-1", "readings": readings}
    send_as_the_rule_does(pipeline, json.dumps(message).encode(), "oven-1")
    page = room.open(browser)
    page.click("text=Start an execution")
    wait_for_text(page, "main .lead", "succeeded")
    page.goto(room.base)
    wait_for_text(page, ".health", "1 batch is in quarantine")
    page.click("text=Review")
    assert "96.8% of 31 readings were rejected" in page.inner_text("main")
    page.click("text=Release…")
    assert "although checks of the contract failed" in page.inner_text("main")
    page.click("text=Release 1 batch")
    wait_for_text(page, "main .lead", "succeeded")
    page.click("nav >> text=Quarantine")
    assert "No batches in quarantine" in page.inner_text("main")
    page.goto(room.base + "/device?id=oven-1")
    assert "9.5" in page.locator(".plot").first.get_attribute("aria-label")


def test_a_dead_letter_goes_back_to_the_queue(
    room: RunningControlRoom, pipeline: Target, browser: Browser
) -> None:
    pipeline.client("sqs").send_message(
        QueueUrl=pipeline.outputs["DeadLetterQueueUrl"], MessageBody="<script>no envelope</script>"
    )
    page = room.open(browser)
    wait_for_text(page, "#verdict", "1 message is in the dead-letter queue")
    page.click("text=Open dead letters")
    page.click("text=Show samples")
    assert "<script>no envelope</script>" in page.inner_text("pre")
    page.click("text=Redrive all")
    wait_for_text(page, "main", "1 message moved to the telemetry queue")
    page.goto(room.base)
    wait_for_text(page, ".figures div", r"In the queue\s*1\s*messages")


def test_what_a_hostile_device_sent_is_text_and_nothing_else(
    room: RunningControlRoom, browser: Browser
) -> None:
    page = room.open(browser, "/rejects?device=evil-1")
    sent = page.locator(".samples pre").first.inner_text()
    assert '<script>document.title="owned"</script>' in sent
    assert "{{7*7}}" in sent
    assert "\\x1b]0;owned\\x07" in sent
    assert "\u202e" not in page.content()
    assert page.locator("#owned").count() == 0
    assert "owned" not in page.title()
    # Whatever a page were made to hold, the browser would not run it.
    assert "script-src 'self'" in page.request.get(room.base).headers["content-security-policy"]


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_for_everyone(
    room: RunningControlRoom, browser: Browser, width: int, dark: bool
) -> None:
    page = room.open(browser, width=width, dark=dark)
    execution = page.request.get(f"{room.base}/executions").text()
    name = re.search(r'href="(/executions/[^"?]+)"', execution)
    assert name is not None
    found = []
    for path in (*PAGES, name[1]):
        page.goto(room.base + path)
        found += [f"{path}: {one}" for one in violations(page)]
        widest = page.evaluate("document.documentElement.scrollWidth")
        assert widest <= width, f"{path} is {widest} pixels wide"
        assert page.locator("main").count() == page.locator("h1").count() == 1
        check_times(page, path)
    assert not found, "\n".join(found)


def check_times(page: Any, path: str) -> None:
    """What a page shows says as of when, its charts in which zone; small charts are in their rows."""
    if not path.startswith(("/docs", "/actions", "/playground")):
        as_of = page.inner_text(".as-of")
        assert re.fullmatch(r"As of (\w{3} \d+, )?\d\d:\d\d:\d\d UTC", as_of), path
    charts = page.locator(".plot").count()
    assert page.locator(".plot .zone").count() == charts
    if charts:
        spans = page.locator("[aria-label='Time range'] a").all_inner_texts()
        assert [*spans[:4]] == ["1 hour", "6 hours", "24 hours", "7 days"], path
    outside = page.evaluate(
        "() => [...document.querySelectorAll('td .spark')].filter(s => {"
        "  const a = s.getBoundingClientRect(), b = s.closest('tr').getBoundingClientRect();"
        "  return a.top < b.top || a.bottom > b.bottom; }).length"
    )
    assert outside == 0, path
    if path == "/executions":
        shown = [one for one in page.locator(".rows td").all() if one.is_visible()]
        assert any("loaded" in one.inner_text() for one in shown), "the result is not shown"


def test_it_is_walked_with_the_keyboard_alone(room: RunningControlRoom, browser: Browser) -> None:
    page = room.open(browser)

    def tab_to(text: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(document.activeElement.getAttribute('aria-label') || "
                "document.activeElement.textContent).trim()"
            )
            if focused.startswith(text):
                assert (
                    page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                    == "solid"
                ), f"{text} does not show that it has the focus"
                return
        raise AssertionError(f"no way to {text!r} by Tab")

    tab_to("Skip to the content", 1)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(room.base)
    tab_to("Fleet")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/fleet"))
    tab_to("kiln-1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/device"))
    tab_to("temperature_c")
    page.keyboard.press("ArrowLeft")
    assert "120" in page.inner_text(".tip")
    page.wait_for_timeout(6000)  # longer than the page takes to refresh itself
    assert page.evaluate("document.activeElement.className") == "plot", "refreshing took the focus"
    assert page.locator(".tip").is_visible()


def test_nothing_is_done_for_other_pages_nor_without_the_key(
    room: RunningControlRoom, browser: Browser
) -> None:
    stranger = browser.driven.new_context()
    try:
        assert stranger.request.get(room.base).status == 401
        wrong = stranger.request.get(room.base + "/?key=wrong", max_redirects=0)
        assert wrong.status == 401
    finally:
        stranger.close()
    page = room.open(browser)
    before = page.request.get(room.base + "/executions").text().count("data-key")
    rebound = page.request.get(room.base, headers={"Host": "evil.example"})
    assert rebound.status == 421
    token = page.locator("[name=form_key]").first.get_attribute("value")
    for headers, form in (
        ({"Origin": "http://evil.example"}, {"form_key": token}),
        ({"Origin": "null"}, {"form_key": token}),
        ({"Origin": room.base, "Sec-Fetch-Site": "cross-site"}, {"form_key": token}),
        ({"Origin": room.base}, {"form_key": "guessed"}),
        ({"Origin": room.base}, {}),
    ):
        answer = page.request.post(room.base + "/actions/run", headers=headers, form=form)
        assert answer.status == 403, headers
    page.wait_for_timeout(2500)
    assert page.request.get(room.base + "/executions").text().count("data-key") == before


def test_a_read_only_room_has_no_button_and_does_nothing(
    pipeline: Target, state: Path, browser: Browser
) -> None:
    with control_room(state, STACK, "--read-only") as room:
        page = room.open(browser)
        assert "read-only" in page.inner_text("header")
        assert page.locator("form[method=post]").count() == 0
        page.goto(room.base + "/actions/discard?device=kiln-1")
        assert page.locator("form[method=post]").count() == 0
        form = {"device": "kiln-1", "form_key": "x"}
        assert page.request.post(room.base + "/actions/discard", form=form).status == 403
