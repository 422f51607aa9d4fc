"""Patterns of a contract that a written time may follow.

``candidates`` splits a text into a day, a time of day and what stands around them, and gives every
pattern that could mean it: ``01/02/2026 9:30 PM`` may be day first or month first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from telemetry.contract.model import TimestampFormat

__all__ = [
    "EPOCHS",
    "YEAR_2000",
    "YEAR_2100",
    "candidates",
    "companions",
    "has_time_of_day",
    "is_day_first",
    "is_epoch",
    "is_month_first",
    "zone_of",
]

EPOCHS: dict[TimestampFormat, float] = {
    "epoch_s": 1.0,
    "epoch_ms": 1e3,
    "epoch_us": 1e6,
    "epoch_ns": 1e9,
}
YEAR_2000, YEAR_2100 = 946_684_800, 4_102_444_800
"""Epoch seconds; a number between them may be a time."""


_DAYS = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\d{4}(?P<s>[-/.])\d{1,2}(?P=s)\d{1,2}", ("%Y{s}%m{s}%d",)),
    (r"\d{4}-\d{3}", ("%Y-%j",)),
    (r"\d{4}-W\d{2}-\d", ("%G-W%V-%u",)),
    (r"\d{4}W\d{3}", ("%GW%V%u",)),
    (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}", ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y")),
    (
        r"\d{1,2}(?P<s>[-/.])\d{1,2}(?P=s)\d{2}",
        ("%d{s}%m{s}%y", "%m{s}%d{s}%y", "%y{s}%m{s}%d"),
    ),
    (rf"\d{{1,2}}(?P<s>[-/. ]){_MONTH}(?P=s)\d{{4}}", ("%d{s}%b{s}%Y",)),
    (rf"\d{{1,2}}(?P<s>[-/. ]){_MONTH}(?P=s)\d{{2}}", ("%d{s}%b{s}%y",)),
    (rf"{_MONTH}(?P<s>\.? +)\d{{1,2}}(?P<c>,?) \d{{4}}", ("%b{s}%d{c} %Y",)),
    (rf"\d{{4}}(?P<s>[-/. ]){_MONTH}(?P=s)\d{{1,2}}", ("%Y{s}%b{s}%d",)),
    (r"\d{8}", ("%Y%m%d",)),
    (r"\d{6}", ("%y%m%d", "%d%m%y")),
)
_CLOCK = (
    r"(?P<hour>\d{1,2})(?P<t1>[:.h]?)(?P<minute>\d{2})"
    r"(?:(?P<t2>[:.m]?)(?P<second>\d{2})(?:(?P<t3>[.,:])(?P<fraction>\d{1,9}))?)?"
    r"(?:(?P<blank>[ ]?)(?P<half>[ap]m))?"
)
_SUFFIX = r"(?P<gap>[ ]?)(?P<zone>Z|[+-]\d{2}(?::?\d{2})?|z|UTC|GMT|[A-Z]{2,5}T|[WS])?"
_ZONED = re.compile(r"Z|[+-]\d{2}(?::?\d{2})?")
_ZONES = {
    "cet": "Europe/Berlin", "cest": "Europe/Berlin", "eet": "Europe/Helsinki",
    "eest": "Europe/Helsinki", "bst": "Europe/London", "est": "America/New_York",
    "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
    "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "jst": "Asia/Tokyo",
    "w": "Europe/Amsterdam", "s": "Europe/Amsterdam",
}  # fmt: skip
"""Time zone of the letters behind a time; W and S are winter and summer of smart meters (DSMR)."""

_FULL = tuple(
    (
        re.compile(
            rf"(?P<day>{_DAYS},? +)?{date}(?:(?P<join>,? +|[Tt_,-]| ?/ ?|:|){_CLOCK}{_SUFFIX})?",
            re.IGNORECASE,
        ),
        patterns,
    )
    for date, patterns in _DATES
)
_CTIME = re.compile(
    rf"(?P<day>{_DAYS} +)?(?P<month>{_MONTH})(?P<s> +)\d{{1,2}} {_CLOCK} "
    r"(?P<zone>UTC |GMT )?\d{4}",
    re.IGNORECASE,
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAY = re.compile(r"(?i:mon|tue|wed|thu|fri|sat|sun)(?![a-z])", re.IGNORECASE)
_WEEKDAY = re.compile("|".join(f"{day[:3]}(?:{day[3:]})?" for day in WEEKDAYS))
MAX_LENGTH = 48
"""Longest text that is looked at."""


def is_epoch(number: float) -> bool:
    """True for a number that is a time of this century in some unit."""
    return any(YEAR_2000 <= number / scale <= YEAR_2100 for scale in EPOCHS.values())


def candidates(text: str) -> list[str]:
    """Patterns that may read the text; likelier ones first."""
    if not 6 <= len(text) <= MAX_LENGTH or not text[-1:].strip() or "%" in text:
        return []
    return list(dict.fromkeys(_candidates(text)))


def _candidates(text: str) -> Iterator[str]:
    if found := _CTIME.fullmatch(text):
        zone = "%Z " if found["zone"] else ""
        for day in _days(found["day"]):
            yield f"{day}%b{found['s']}%d {_clock(found)} {zone}%Y"
    for regex, patterns in _FULL:
        found = regex.fullmatch(text)
        if found is None:
            continue
        parts = found.groupdict()
        for pattern in patterns:
            date = pattern.format(s=parts.get("s") or "", c=parts.get("c") or "")
            for day in _days(parts["day"]):
                yield day + date + _rest(found)


def _days(text: str | None) -> Iterator[str]:
    """The name of a weekday, by a directive and as it is: some devices have a wrong one."""
    if text and _SHORT_DAY.match(text):
        yield "%a" + text[3:]
    yield text or ""


def _rest(found: re.Match[str]) -> str:
    if found["hour"] is None:
        return ""
    zone = found["zone"] or ""
    if _ZONED.fullmatch(zone):
        zone = "%z"
    elif zone.lower() in ("utc", "gmt"):
        zone = "%Z"
    return found["join"] + _clock(found) + found["gap"] + zone


def _clock(found: re.Match[str]) -> str:
    half = found["half"] is not None
    text = ("%I" if half else "%H") + found["t1"] + "%M"
    if found["second"] is not None:
        text += f"{found['t2']}%S"
    if found["fraction"] is not None:
        text += f"{found['t3']}%f"
    return text + (f"{found['blank']}%p" if half else "")


def companions(pattern: str) -> list[str]:
    """The pattern, and those that the same device will use on other days.

    A weekday that is written in full, or is a wrong one, stands for itself, so each of the seven
    needs its own; a smart meter writes W in winter and S in summer.
    """
    named = _WEEKDAY.match(pattern)
    found = [pattern]
    if named:
        short = len(named[0]) == 3
        days = [day[:3] if short else day for day in WEEKDAYS]
        found = [day + pattern[named.end() :] for day in days]
    if named or pattern.startswith("%a"):
        if pattern.find("%b %d") >= 0 and "%d %Y" not in pattern:  # ctime pads the day with a blank
            found += [text.replace("%b %d", "%b  %d") for text in found]
    elif pattern.endswith(("%SW", "%SS")):
        found.append(pattern[:-1] + ("S" if pattern.endswith("W") else "W"))
    elif pattern.endswith(("CET", "CEST")):
        found.append(pattern.replace("CEST", "CET") if "CEST" in pattern else pattern[:-1] + "ST")
    return [pattern, *(text for text in found if text != pattern)]


def zone_of(pattern: str) -> str | None:
    """The time zone that the letters at the end of a pattern stand for; ``None`` where none do."""
    return _ZONES.get(re.split(r"%[A-Za-z]| ", pattern)[-1].lower())


def has_time_of_day(pattern: str) -> bool:
    """True where a pattern has hours."""
    return "%H" in pattern or "%I" in pattern


def is_day_first(pattern: str) -> bool:
    """True for day before month, both as numbers."""
    return 0 <= pattern.find("%d") < pattern.find("%m")


def is_month_first(pattern: str) -> bool:
    """True for month before day before year, all as numbers."""
    return 0 <= pattern.find("%m") < pattern.find("%d") < pattern.lower().find("%y")
