"""One column, guessed from the values of one member, with the reasons for each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.authoring.members import Members, Place, Value
from etl.authoring.names import device_rank, is_time, unit_of
from etl.authoring.values import (
    BLANK,
    MISSING_WORDS,
    Marker,
    Numbers,
    epoch_format,
    extreme_markers,
    iso_share,
    numbers_of,
    round_out,
    unwrapped,
)
from telemetry.contract.model import ColumnType, TimestampFormat

__all__ = ["Draft", "draft_column", "share"]

ALIKE = 0.95
"""Share of the values that must fit a type for it to be the column's."""
RARE = 0.05
AGAIN = 3
"""Times that an impossible value must come to be a marker and not a slip."""
FEW = 12
"""Distinct values of what may be a code."""
BOOLEAN_WORDS = {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"}
SPELLINGS = 8
"""Markers written down at most, of those spelled as words."""
MOST_CHARACTERS = 10_485_760


@dataclass
class Draft:
    """A column of the contract to be, as it will be written."""

    name: str
    places: list[Place]
    sources: list[str]
    label: tuple[str, ...]
    """The path that its name and its meaning come from."""
    type: ColumnType = "text"
    required: bool = False
    missing: list[str | float] = field(default_factory=list)
    range: tuple[float, float] | None = None
    max_length: int | None = None
    values: list[str] = field(default_factory=list)
    """What an enum may be."""
    formats: list[TimestampFormat] = field(default_factory=list)
    unit: str | None = None
    attached: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    about: list[str] = field(default_factory=list)
    """Lines of comment above the column."""
    why: dict[str, str] = field(default_factory=dict)
    """Key to the comment beside its line."""
    presence: float = 0.0
    """Share of the readings with a value that is none of the markers (0..1)."""
    distinct: int = 0


def share(part: float, whole: float) -> str:
    """A share for a person: never 0% of something, never 100% of less than all."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "almost 100%"
    return "under 0.1%" if percent < 0.1 else f"{percent:.3g}%"


def draft_column(
    name: str,
    label: tuple[str, ...],
    places: list[Place],
    sources: list[str],
    values: Counter[Value],
    members: Members,
) -> Draft | str:
    """A column for the values of a member, or the reason why there should be none."""
    draft = Draft(name, places, sources, label)
    scalars = {v: n for v, n in values.items() if v.kind in ("number", "text", "boolean")}
    nested = sum(n for v, n in values.items() if v.kind in ("object", "array"))
    if not scalars:
        kind = next((v.kind for v in values if v.kind in ("array", "object")), "null")
        return "always null" if kind == "null" else f"an {kind}, which no type of column takes"
    markers = Counter(
        {v: n for v, n in scalars.items() if v.text.strip(BLANK).lower() in MISSING_WORDS}
    )
    real = {v: n for v, n in scalars.items() if v not in markers}
    if not real:
        return "always " + _listed(dict.fromkeys(v.text for v in markers))
    total = len(members.readings)
    present = sum(real.values())
    real = _without_disguise(draft, real)
    _decide(draft, real)
    _mark_missing(draft, markers, total)
    if draft.type not in ("text", "boolean", "timestamp"):
        present -= _limit(draft, numbers_of(real.items()))
    draft.presence = present / total if total else 0.0
    draft.distinct = len({v.text for v in real})
    draft.about.insert(0, _about(draft, real, present, total))
    kinds: Counter[str] = Counter({"object or array": nested} if nested else {})
    for value, count in real.items():
        kinds[value.kind] += count
    if len(kinds) > 1:
        told = ", ".join(f"{kind} {share(n, kinds.total())}" for kind, n in kinds.most_common())
        draft.about.append(f"changes its type: {told}")
    if draft.presence < RARE:
        draft.about.append("seen rarely: is it worth a column?")
    return draft


def _without_disguise(draft: Draft, real: dict[Value, int]) -> dict[Value, int]:
    """Numbers that come with a unit behind them or a comma in them, as plain numbers."""
    plain, attached, comma = unwrapped(real)
    path = draft.label
    if not (attached or comma) or device_rank(path) is not None:
        return real
    if numbers_of(plain.items()).total < ALIKE * sum(plain.values()):
        return real
    draft.attached, draft.decimal_comma = attached, comma
    if attached:
        draft.why["attached"] = "stand behind the numbers and are taken off"
    if comma:
        draft.why["decimal_comma"] = "read as a point, not as thousands"
    return plain


def _decide(draft: Draft, real: dict[Value, int]) -> None:
    """The type, with what goes with it."""
    path, total = draft.label, sum(real.values())
    texts = Counter({v.text: n for v, n in real.items() if v.kind == "text"})
    numbers = numbers_of(real.items())
    words = sum(n for v, n in real.items() if v.text.strip(BLANK).lower() in BOOLEAN_WORDS)
    if numbers.total >= ALIKE * total:
        _decide_number(draft, path, real, numbers)
    elif texts and iso_share(texts) * texts.total() >= ALIKE * total:
        draft.type, draft.formats = "timestamp", ["iso8601"]
    elif words + sum(numbers.counts[n] for n in (0.0, 1.0)) >= ALIKE * total:
        draft.type = "boolean"
        draft.why["type"] = "its values: " + _listed(_common(real))
    elif _is_mixed_time(path, texts, numbers, total):
        draft.type = "timestamp"
    else:
        _decide_text(draft, real)
    if draft.type == "timestamp":
        _explain_time(draft, texts, numbers)


def _is_mixed_time(
    path: tuple[str, ...], texts: Counter[str], numbers: Numbers, total: int
) -> bool:
    iso = iso_share(texts) * texts.total()
    return (
        is_time(path)
        and iso + numbers.total >= ALIKE * total
        and bool(epoch_format(numbers.counts))
    )


def _decide_number(
    draft: Draft, path: tuple[str, ...], real: dict[Value, int], numbers: Numbers
) -> None:
    as_texts = sum(n for v, n in real.items() if v.kind == "text") > sum(real.values()) / 2
    epoch = epoch_format(numbers.counts) if is_time(path) else None
    largest = max(abs(number) for number in numbers.counts)
    unit = unit_of(path, _unmarked(numbers))
    if epoch is not None:
        draft.type = "timestamp"
    elif device_rank(path) is not None and as_texts:
        _decide_text(draft, real)
        draft.why["type"] = "digits sent as a text; as a number, 007 and 7 would be one"
    elif not numbers.whole or unit is not None or largest >= 2**63:
        draft.type = "float"
        if numbers.whole and largest < 2**63:
            draft.why["type"] = "only whole numbers seen, but a measurement may have fractions"
    elif len(numbers.counts) <= FEW and largest < 1000 and numbers.total >= 4 * FEW:
        draft.type = "smallint"
        draft.why["type"] = "a code? " + _listed(_common(real), FEW)
        if numbers.counts.keys() <= {0.0, 1.0}:
            draft.why["type"] += "; boolean would read them as well"
    else:
        draft.type = "integer" if largest < 1_000_000 and not _counts_up(path) else "bigint"
    if as_texts and "type" not in draft.why and draft.type != "timestamp":
        draft.why["type"] = "numbers, sent as texts"
    if numbers.others:
        draft.about.append(f"not numbers: {_listed(dict(numbers.others.most_common(3)))}")


def _counts_up(path: tuple[str, ...]) -> bool:
    return any(word in path[-1].lower() for word in ("seq", "count", "uptime", "frame", "total"))


def _unmarked(numbers: Numbers) -> dict[float, int]:
    """The numbers that are no markers, and how often each comes."""
    marked = {marker.value for marker in extreme_markers(numbers.counts)}
    return {number: n for number, n in numbers.counts.items() if number not in marked}


def _decide_text(draft: Draft, real: dict[Value, int]) -> None:
    longest = max(len(v.text) for v in real)
    draft.type = "text"
    length = 32
    while length < 2 * longest:
        length *= 2
    draft.max_length = min(length, MOST_CHARACTERS)
    draft.why["max_length"] = f"longest seen: {longest}"


def _explain_time(draft: Draft, texts: Counter[str], numbers: Numbers) -> None:
    epoch = epoch_format(numbers.counts)
    draft.formats = ["iso8601"] if texts and iso_share(texts) else []
    if epoch is not None:
        draft.formats.append(epoch)
        draft.why["formats"] = f"its numbers, read as {epoch}, lie between 2000 and 2100"
    naive = sum(n for text, n in texts.items() if len(text.strip(BLANK)) == 19)
    if naive:
        draft.why["timezone"] = (
            f"{share(naive, texts.total())} come without an offset; UTC is a guess"
        )


def _mark_missing(draft: Draft, markers: Counter[Value], total: int) -> None:
    """Words that mean "no value"; the contract's own default is the empty text alone."""
    spelled = Counter({v.text.strip(BLANK): 0 for v in markers})
    for value, count in markers.items():
        spelled[value.text.strip(BLANK)] += count
    if draft.type == "text":  # where blanks count, and a value is compared letter for letter
        spelled = Counter({v.text: n for v, n in markers.items()})
    draft.missing = ["", *sorted(word for word, _ in spelled.most_common(SPELLINGS) if word)]
    if spelled:
        words = _listed(word for word, _ in spelled.most_common())
        draft.why["missing"] = f"{words}: {share(spelled.total(), total)} of the readings"


def _limit(draft: Draft, numbers: Numbers) -> int:
    """Markers, range and unit of a number; the readings that have a marker."""
    markers = extreme_markers(numbers.counts)
    left = _unmarked(numbers)
    # "2.8V" says more than the member's name does.
    label = (*draft.label, *draft.attached)
    unit = unit_of(label, left) if draft.type == "float" else None
    if unit is not None:
        outside = {n: count for n, count in left.items() if not unit.low <= n <= unit.high}
        again = {n: count for n, count in sorted(outside.items()) if count >= AGAIN}
        again = again if len(again) <= FEW else {}
        why = f"always the same, and beyond what {unit.of} can be"
        markers += [Marker(n, count, why) for n, count in again.items()]
        left = {n: count for n, count in left.items() if n not in again}
    for marker in markers:
        value = int(marker.value) if float(marker.value).is_integer() else marker.value
        draft.missing.append(value)
        draft.about.append(f"missing: {value} ({marker.count:,} times) is {marker.why}")
    low, high = min(left), max(left)
    if unit is not None:
        draft.unit, draft.range = unit.symbol, (unit.low, unit.high)
        draft.why["unit"] = "a guess from the name and the values"
        draft.why["range"] = f"{unit.of}; seen: {low:g} to {high:g}"
    elif draft.type != "smallint" and not _counts_up(draft.label):
        draft.range = _with_head_room(draft, low, high)
        draft.why["range"] = f"seen: {low:g} to {high:g}, with head room"
    _warn_of_ceilings(draft, left, low, high)
    return sum(marker.count for marker in markers)


def _with_head_room(draft: Draft, low: float, high: float) -> tuple[float, float] | None:
    """Ten times as far as seen; what was never negative may not become it.

    A limit that is too wide lets a strange value in, one that is too narrow loses a true one.
    """
    reach = 9 * max(high - low, abs(low), abs(high), 1)
    least = 0 if low >= 0 else round_out(low - reach, up=False)
    most = round_out(high + reach, up=True)
    if draft.type == "float":
        return (least, most)
    bits = {"smallint": 15, "integer": 31, "bigint": 63}[draft.type]
    # A double near 2**63 rounds up to it, which a bigint can't hold.
    return None if max(abs(least), most) >= 2**bits / 2 else (int(least), int(most))


def _warn_of_ceilings(draft: Draft, left: dict[float, int], low: float, high: float) -> None:
    """An end value that is far more frequent than an end should be: a sensor at its limit."""
    total = sum(left.values())
    for value in {low, high} if draft.type == "float" and len(left) > FEW else ():
        usual = total / len(left)
        if left[value] > max(0.02 * total, 5 * usual):
            draft.about.append(
                f"{share(left[value], total)} are exactly {value:g}, "
                f"the {'most' if value == high else 'least'} seen: the sensor's own limit?"
            )


def _about(draft: Draft, real: dict[Value, int], present: int, total: int) -> str:
    distinct = draft.distinct
    values = "1 value" if distinct == 1 else f"{distinct:,} distinct values"
    return f"in {share(present, total)} of the readings; {values}: {_listed(_common(real))}"


def _common(real: dict[Value, int]) -> list[str]:
    return list(dict.fromkeys(v.text for v, _ in Counter(real).most_common(6)))


def _listed(texts: Iterable[str], most: int = 3) -> str:
    """A few texts, shortened and in quotes, on one line."""
    found = list(texts)
    cut = [text if len(text) <= 24 else f"{text[:21]}..." for text in found[:most]]
    told = ", ".join(f"'{text}'" for text in cut)
    return told + (", ..." if len(found) > most else "")
