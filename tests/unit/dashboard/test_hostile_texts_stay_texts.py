"""Whatever a device sends, the page holds it as text: no element, no attribute, no address of it."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.cache import Answer
from dashboard.rendering import environment, hexdump
from dashboard.sources.rejected import Sample
from etl.operations.rejects import Reject

MARK = "zqx"
"""Begins each hostile element and attribute, so that one that came alive is found."""
pieces = st.sampled_from(
    [
        f"<{MARK}>", f"</code></pre><{MARK} {MARK}=1>", f'" {MARK}="1', f"' {MARK}='1", "<script>",
        "<!--", "-->", "]]>", "{{7919*7919}}", "{% raw %}", "&lt;", "\x00", "\x1b[2J", "\u202e", "\ud800",
        "\u2028", "</title>", "javascript:alert(1)", "%22", "\\", "`",
    ]
)  # fmt: skip
hostile = st.lists(pieces | st.text(max_size=8), max_size=6).map("".join)


MADE = environment()


class Found(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.alive: list[str] = []
        self.shown = ""

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.alive += [tag, *(name for name, _ in attrs)]
        self.alive += [f"on: {name}" for name, _ in attrs if name.startswith("on")]
        self.alive += [
            f"address: {value}" for name, value in attrs
            if name in ("href", "src", "action") and (value or "").startswith("javascript:")
        ]  # fmt: skip


def rendered(text: str) -> str:
    reject = Reject(
        day="2026-11-23", batch_id=text or "b", message_id=text, topic=text, client_id=text,
        received_at=1, index=0, reasons=(text or "not_json",), reading=text,
        payload=text.encode("utf-8", "surrogatepass"), contract=text or "fleet",
    )  # fmt: skip
    MADE.globals.update(
        stack="telemetry", location="here", read_only=False, form_key="f", jobs=None,
        contract_name=lambda: text, level=lambda: "good", version="1",
    )  # fmt: skip
    reason = SimpleNamespace(reason=text, readings=1, batches=1, latest=None)
    context: dict[str, Any] = {
        "path": "/rejects", "reasons": Answer([reason], None, 1.0), "total": 1,
        "top": 1, "sample": Answer(Sample([reject], 1, True, [text]), None, 1.0),
        "chosen": {"reason": text, "device": text, "batch": text, "since": "",
                   "contract": text},
        "contracts": (text, "other"), "no_contract": True,
        "sinces": {}, "most": 25, "more": None,
    }  # fmt: skip
    return MADE.get_template("rejects.html").render(**context)


PLAIN = Found()
PLAIN.feed(rendered("plain"))


@settings(deadline=None, max_examples=60)  # the first one compiles the template
@given(hostile.filter(bool))
def test_a_reject_makes_no_element_of_its_own(text: str) -> None:
    page = rendered(text)
    found = Found()
    found.feed(page)
    assert not [name for name in found.alive if MARK in name or name.startswith(("on: ", "addr"))]
    assert found.tags == PLAIN.tags
    assert "\u202e" not in found.shown
    assert "\x1b" not in found.shown
    assert "62710561" not in page, "nothing in it was taken for a template"


@given(st.binary(max_size=2000))
def test_bytes_are_shown_as_plain_characters(content: bytes) -> None:
    shown = hexdump(content)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) <= 33
