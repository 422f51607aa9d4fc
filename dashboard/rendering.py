"""Rendering of templates: every text is escaped, and control characters of devices are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dashboard.cache import Answer
from dashboard.documentation import section_address
from dashboard.health import Facts
from etl.operations.escaping import escape_text
from etl.operations.execution_search import result_of
from etl.pictures.text import duration

__all__ = ["Pages", "ago", "hexdump", "moment_text"]

FOLDER = Path(__file__).parent
HEX_BYTES = 512
AHEAD_SECONDS = 30
"""A time that lies ahead by no more than this is shown as now: clocks differ."""


def ago(time: datetime | None) -> str:
    """``12 s ago``, ``3 min ago``, ``2 h ago``, ``5 d ago``; ``in 4 min`` for a clock ahead."""
    if time is None:
        return "never"
    seconds = (datetime.now(UTC) - time).total_seconds()
    distance = _rough(abs(seconds))
    if seconds < -AHEAD_SECONDS:
        return f"in {distance}"
    return "just now" if seconds < 3 else f"{distance} ago"


def _rough(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size):,} {name}"
    return f"{int(seconds)} s"


def moment_text(time: datetime | None) -> str:
    """``13:50:41 UTC`` today, else ``Nov 23, 13:50:41 UTC``."""
    if time is None:
        return ""
    time = time.astimezone(UTC)
    now = datetime.now(UTC)
    if time.date() == now.date():
        return f"{time:%H:%M:%S} UTC"
    year = "" if time.year == now.year else f"{time.year} "
    return f"{year}{time:%b} {time.day}, {time:%H:%M:%S} UTC"


def hexdump(content: bytes) -> str:
    """The first bytes as a hex editor shows them: offset, bytes, and printable ASCII."""
    lines = []
    for start in range(0, min(len(content), HEX_BYTES), 16):
        part = content[start : start + 16]
        pairs = " ".join(f"{byte:02x}" for byte in part)
        plain = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(f"{start:04x}  {pairs:<47}  {plain}")
    if len(content) > HEX_BYTES:
        lines.append(f"… {_plural(len(content) - HEX_BYTES, 'more byte')}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    percent = share * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def _time(time: datetime | None) -> Markup:
    """A ``time`` element: how long ago, with the exact time as a tooltip."""
    if time is None:
        return Markup("–")
    whole = time.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{0}" title="{1}">{2}</time>').format(
        whole, moment_text(time), ago(time)
    )


def _with_code(text: str) -> Markup:
    """Text in which backticks mark code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def _plural(number: int, noun: str) -> str:
    ending = "" if number == 1 else "es" if noun.endswith(("ch", "x")) else "s"
    return f"{number:,} {noun}{ending}"


def _query(**parameters: Any) -> str:
    """The query string of the parameters that are set, with its question mark."""
    present = {name: v for name, v in parameters.items() if v not in (None, "", False)}
    # A device may have sent half of a surrogate pair, which the address has to keep.
    text = urlencode(present, doseq=True, errors="surrogatepass")
    return f"?{text}" if text else ""


def _path_segment(text: str) -> str:
    """Text as one segment of an address's path."""
    return quote(text, safe="", errors="surrogatepass")


def environment() -> Environment:
    """The templates' environment: undefined names are errors, and all output is escaped."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(
        harmless=escape_text, number=_number, percent=_percent, time=_time, with_code=_with_code,
        duration=duration, moment=moment_text, hexdump=hexdump, plural=_plural,
        urlencode=_path_segment, result=result_of, section_address=section_address,
    )  # fmt: skip
    made.globals.update(query=_query, on_laptop=False, as_of=None)
    return made


def oldest(values: Iterable[Any]) -> datetime | None:
    """The time as of which a page is true: of the oldest answer that it shows, if any.

    Without the reconciliation, which takes longer and says its own time.
    """
    facts = (vars(value) for value in values if isinstance(value, Facts))
    of_facts = (
        answer for each in facts for name, answer in each.items() if name != "reconciliation"
    )
    answers = (one for one in chain(values, of_facts) if isinstance(one, Answer))
    times = [one.at for one in answers if one.value is not None]
    return datetime.fromtimestamp(min(times), UTC) if times else None


class Pages:
    """Renders templates with the values that every page shows."""

    def __init__(self, **common: Any) -> None:
        """``common`` are values for every template, by name."""
        self._environment = environment()
        self._environment.globals.update(common, version=_version())

    def answer(
        self, request: Request, template: str, *, status: int = 200, **context: Any
    ) -> Response:
        """The rendered page; status 304 without it where the browser has this very version."""
        as_of = oldest(context.values())
        text = self.fragment(template, path=request.url.path, as_of=as_of, **context)
        body = text.encode("utf-8", "backslashreplace")
        tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return HTMLResponse(body, status, headers={"ETag": tag})

    def fragment(self, template: str, **context: Any) -> str:
        """The rendered text of a template."""
        return self._environment.get_template(template).render(**context)


def _version() -> str:
    """A hash of the static files, so that a browser never uses old ones."""
    digest = hashlib.sha256()
    for file in sorted((FOLDER / "static").rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
