"""Rules on the values that a contract names itself: constants, missing markers, limits, conditions.

A constant is read as if a device had sent it. One that the column can't hold would reject every
reading, so it is refused here, without polars: by the same spellings as ``functions.transform``,
where it reads them one by one. A test compares the two. Patterns are left to the engine that runs
them, where a contract is packaged (``etl.authoring.regular_expressions``).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException

from telemetry.contract.column_rules import NUMBER, same_spelling
from telemetry.contract.model import Column, Condition, Contract
from telemetry.contract.patterns import (
    AUTO_EPOCHS,
    MONTHS,
    PER_SECOND,
    WEEKDAYS,
    TimePatternError,
    read_pattern,
)
from telemetry.contract.problems import Problem

__all__ = ["NAMED_VALUE_RULES", "conditions_can_hold"]

INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
TRUE, FALSE = ("true", "t", "yes", "y", "on", 1), ("false", "f", "no", "n", "off", 0)
BLANK = " \t\r\n"
EXACT = Context(prec=800)
"""Enough digits for the sum of any two doubles' digits before and after the point."""
FIRST_SECOND, END_SECOND = -62_135_596_800, 253_402_300_800
"""Epoch seconds of 0001-01-01T00:00:00Z, and of the end of the year 9999."""
FIRST_OF_LAST_CENTURY = 69
"""Years of two digits from here on are 19xx, as in POSIX."""
_ISO = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
)
_END_OF_DAY = re.compile(r"24:00:00(?:\.0+)?(?:Z|[+-].*)?")


def constant_is_of_its_type(column: Column) -> Iterator[Problem]:
    """A constant that the column can't hold would reject every reading."""
    for source in column.sources:
        if source.scope == "constant":
            text = str(source.path[0])
            fault = "is one of the missing markers" if _is_missing(column, text) else None
            fault = fault or _fault(column, text)
            if fault:
                yield Problem(
                    f"columns.{column.name}.constant",
                    f"{text!r} {fault}; write a value that a {column.type} takes",
                )


def markers_can_be_sent(column: Column) -> Iterator[Problem]:
    """A marker is a value that may arrive, and is not one that the column has a meaning for."""
    if column.type == "text":
        return
    meanings = [spelling for value, others in column.values for spelling in (value, *others)]
    meanings += [*column.true_values, *column.false_values]
    meant = {same_spelling(spelling) for spelling in meanings}
    for marker in column.missing:
        same = same_spelling(marker)
        if isinstance(same, float) and not math.isfinite(same):
            yield Problem(
                f"columns.{column.name}.missing", f"{marker!r} is larger than any number; remove it"
            )
        elif same in meant:
            yield Problem(
                f"columns.{column.name}.missing",
                f"{marker!r} would mean both a value and none; keep one",
            )


def range_holds_a_value(column: Column) -> Iterator[Problem]:
    """Limits that no value of the type is within would reject every reading."""
    key = f"columns.{column.name}.range"
    low, high = column.range
    if low == math.inf or high == -math.inf:
        yield Problem(key, "holds no number; write -inf first and inf second, or leave it out")
        return
    largest = _largest(column)
    for limit, sign in ((low, 1), (high, -1)):
        if largest is not None and limit is not None and sign * Decimal(str(limit)) > largest:
            yield Problem(key, f"no {column.type} reaches {limit}; widen it")
            return
    step = _step(column)
    if step is None or low is None or high is None:
        return
    least = EXACT.divide(Decimal(str(low)), step).to_integral_value("ROUND_CEILING")
    most = EXACT.divide(Decimal(str(high)), step).to_integral_value("ROUND_FLOOR")
    if least > most:
        yield Problem(key, f"no {column.type} is between {low} and {high}; widen it")


def conditions_can_hold(contract: Contract) -> Iterator[Problem]:
    """A condition on a level of the topic that the topic itself fixes, to another value, would set
    every message aside."""
    topic = contract.topic_filter
    known = topic.levels[:-1] if topic.is_open else topic.levels
    for condition in contract.only:
        scope, path = condition.source.scope, condition.source.path
        if scope != "envelope" or path[0] != "topic" or len(path) == 1:
            continue
        place, key = int(path[1]), f"message.only.$topic[{path[1]}]"
        if topic.is_open and not 0 <= place < len(known):
            continue  # a level of the #, or counted from an end that differs
        if not -len(known) <= place < len(known):
            yield Problem(key, f"the topic has {len(known)} levels; write 0 to {len(known) - 1}")
        elif place % len(known) not in topic.wildcard_places and condition.values:
            level = known[place]
            if not _matches(condition, level):
                yield Problem(key, f"is always {level!r}, by the topic; correct one of them")


def _matches(condition: Condition, text: str) -> bool:
    words = [str(v).lower() if isinstance(v, bool) else v for v in condition.values]
    numbers = [float(v) for v in words if not isinstance(v, str)]
    return text in words or (NUMBER.fullmatch(text) is not None and float(text) in numbers)


def _largest(column: Column) -> Decimal | None:
    """Greatest absolute value of the type; ``None`` where another rule or nothing limits it."""
    if column.type == "real":
        return Decimal(struct.unpack("<f", b"\xff\xff\x7f\x7f")[0])
    if column.type == "decimal" and column.precision is not None:
        return Decimal(10**column.precision - 1).scaleb(-column.scale, EXACT)
    return None


def _step(column: Column) -> Decimal | None:
    """Distance of neighbouring values of the type, where it is always the same."""
    if column.type in INTEGER_BITS:
        return Decimal(1)
    return Decimal(1).scaleb(-column.scale) if column.type == "decimal" else None


def _is_missing(column: Column, text: str) -> bool:
    if column.type != "text":
        return same_spelling(text) in {same_spelling(marker) for marker in column.missing}
    number = float(text) if NUMBER.fullmatch(text) else None
    return any(
        marker == text if isinstance(marker, str) else _equal(marker, text, number)
        for marker in column.missing
    )


def _equal(marker: float | bool, text: str, number: float | None) -> bool:
    if isinstance(marker, bool):
        return text == str(marker).lower()
    return number is not None and number == float(marker)


def _fault(column: Column, text: str) -> str | None:
    """Reason for which the column can't hold the text; ``None`` where it can."""
    if column.type == "text":
        return _text_fault(column, text)
    if column.type in ("boolean", "enum"):
        return _word_fault(column, text)
    text = text.strip(BLANK)
    if column.type == "timestamp":
        known = any(_is_time(text, name) for name in column.formats)
        return None if known else f"is not a time as in formats = {list(column.formats)}"
    if column.type == "jsonb":
        return None  # which takes no constants, by another rule
    return _number_fault(column, _bare(column, text))


def _text_fault(column: Column, text: str) -> str | None:
    if "\0" in text:
        return "has a character U+0000"
    cut = column.on_too_long == "truncate"
    if column.max_length is not None and len(text) > column.max_length and not cut:
        return f"is longer than {column.max_length} characters"
    return None


def _word_fault(column: Column, text: str) -> str | None:
    if column.type == "boolean":
        spellings = [*TRUE, *FALSE, *column.true_values, *column.false_values]
    else:
        spellings = [spelling for value, others in column.values for spelling in (value, *others)]
    known = {same_spelling(spelling) for spelling in spellings}
    return None if same_spelling(text) in known else "is not one of its values"


def _bare(column: Column, text: str) -> str:
    """The number without its unit, and with a decimal point for the comma."""
    if column.attached:
        units = "|".join(re.escape(unit) for unit in column.attached)
        text = re.sub(rf"[ \t\u00a0\u202f]*(?:{units})\Z", "", text, count=1)
    return text.replace(",", ".") if column.decimal_comma else text


def _number_fault(column: Column, text: str) -> str | None:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return "is not a number"
    try:
        number = _rounded(column, Decimal(text))
    except DecimalException:
        return "has too many digits"
    bits = INTEGER_BITS.get(column.type)
    if bits is not None and number != number.to_integral_value():
        return "is not a whole number"
    largest = _largest(column)
    large = bits is not None and not -(2**bits) <= number < 2**bits
    if large or (largest is not None and abs(number) > largest):
        return "is out of range"
    low, high = (None, None) if column.unit_from else column.range
    below = low is not None and number < Decimal(str(low))
    above = high is not None and number > Decimal(str(high))
    return f"is out of range {list(column.range)}" if below or above else None


def _rounded(column: Column, number: Decimal) -> Decimal:
    digits = column.scale if column.type == "decimal" else column.round
    if digits is None:
        return number
    return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)


def _is_time(text: str, name: str) -> bool:
    """True if the text is a time in a format of that name."""
    if name in PER_SECOND or name == "epoch_auto":
        number = float(text) if NUMBER.fullmatch(text) else math.inf
        auto = (unit for most, unit in AUTO_EPOCHS if abs(number) < most or most == math.inf)
        per_second = PER_SECOND.get(name) or next(auto)
        return math.isfinite(number) and FIRST_SECOND <= number / per_second < END_SECOND
    try:
        return _is_iso(text) if name == "iso8601" else _follows(text, name)
    except TimePatternError:
        return True  # which another rule reports
    except (ValueError, OverflowError):
        return False


def _is_iso(text: str) -> bool:
    """True for a time in ISO 8601. Raises ``ValueError`` or ``OverflowError`` where there is no
    such day or time."""
    if not _ISO.fullmatch(text):
        return False
    if _END_OF_DAY.fullmatch(text[11:]):
        return bool(datetime.strptime(text[:10], "%Y-%m-%d") + timedelta(days=1))
    return bool(datetime.strptime(text[:19].replace(" ", "T"), "%Y-%m-%dT%H:%M:%S"))


def _follows(text: str, name: str) -> bool:
    """True for a time as in the pattern. Raises as :func:`_is_iso` does."""
    pattern = read_pattern(name)
    found = re.fullmatch(pattern.regex, text)
    if found is None:
        return False
    parts = dict(zip(pattern.directives, found.groups(), strict=True))
    day = _day(parts)
    if "a" in parts and WEEKDAYS[day.weekday()] != parts["a"].lower():
        return False
    hour = int(parts.get("H", 0))
    if "I" in parts:
        if not 1 <= int(parts["I"]) <= 12:
            return False
        hour = int(parts["I"]) % 12 + 12 * (parts["p"].lower() == "pm")
    minute, second = (int(parts.get(part, 0)) for part in "MS")
    fraction = f".{parts['f']}" if "f" in parts else ""
    east = parts.get("z", "")
    return _is_iso(f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}{fraction}{east}")


def _day(parts: dict[str, str]) -> date:
    """The day of a pattern's parts. Raises ``ValueError`` where there is no such day."""
    if "G" in parts:
        return date.fromisocalendar(int(parts["G"]), int(parts["V"]), int(parts["u"]))
    year = int(parts["Y"] if "Y" in parts else parts["y"])
    if "y" in parts:
        year += 1900 if year >= FIRST_OF_LAST_CENTURY else 2000
    if "j" in parts:
        day = date(year, 1, 1) + timedelta(days=int(parts["j"]) - 1)
        if day.year != year:
            raise ValueError("no such day of the year")
        return day
    month = MONTHS.index(parts["b"].lower()) + 1 if "b" in parts else int(parts["m"])
    return date(year, month, int(parts["d"]))


NAMED_VALUE_RULES: tuple[Callable[[Column], Iterator[Problem]], ...] = (
    constant_is_of_its_type,
    markers_can_be_sent,
    range_holds_a_value,
)
