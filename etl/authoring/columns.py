"""The column that the values of one member suggest, with the reason for each of its lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from etl.authoring.draft import ColumnDraft, share
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
    round_outward,
    split_numbers,
    strip_units,
)

__all__ = ["draft_column"]

ALIKE = 0.95
"""Share of the values that must fit a type for the column to get it."""
RARE = 0.05
"""Share of the readings with a value below which a column is noted as rare."""
AGAIN = 3
"""Occurrences from which an impossible value is a marker rather than a single error."""
FEW = 12
"""Most distinct values of a number that may be a code."""
BOOLEAN_WORDS = {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"}
SPELLINGS = 8
"""Most markers that are words, for one column."""
MOST_CHARACTERS = 10_485_760
"""PostgreSQL's limit of ``varchar(n)``, which the contract keeps to."""


def draft_column(
    name: str,
    label: tuple[str, ...],
    places: list[Place],
    sources: list[str],
    values: Counter[Value],
    members: Members,
) -> ColumnDraft | str:
    """A column for the values of a member, or the reason why there is none."""
    draft = ColumnDraft(name, places, sources, label)
    scalars = {v: n for v, n in values.items() if v.kind in ("number", "text", "boolean")}
    nested = sum(n for v, n in values.items() if v.kind in ("object", "array"))
    if not scalars:
        kind = next((v.kind for v in values if v.kind in ("array", "object")), "null")
        return "always null" if kind == "null" else f"an {kind}, which no column type accepts"
    markers = Counter(
        {v: n for v, n in scalars.items() if v.text.strip(BLANK).lower() in MISSING_WORDS}
    )
    real = {v: n for v, n in scalars.items() if v not in markers}
    if not real:
        return "always " + _listed(dict.fromkeys(v.text for v in markers))
    total = len(members.readings)
    present = sum(real.values())
    real = _plain_numbers(draft, real)
    _set_type(draft, real)
    _mark_missing(draft, markers, total)
    if draft.type not in ("text", "boolean", "timestamp"):
        present -= _set_limits(draft, split_numbers(real.items()))
    draft.presence = present / total if total else 0.0
    draft.distinct = len({v.text for v in real})
    draft.notes.insert(0, _summary(draft, real, present, total))
    kinds: Counter[str] = Counter({"object or array": nested} if nested else {})
    for value, count in real.items():
        kinds[value.kind] += count
    if len(kinds) > 1:
        shares = (f"{kind} {share(n, kinds.total())}" for kind, n in kinds.most_common())
        draft.notes.append(f"mixed types: {', '.join(shares)}")
    if draft.presence < RARE:
        draft.notes.append("rarely present: is it worth a column?")
    return draft


def _plain_numbers(draft: ColumnDraft, real: dict[Value, int]) -> dict[Value, int]:
    """The values without units and decimal commas, where that makes them numbers."""
    plain, attached, comma = strip_units(real)
    path = draft.label
    if not (attached or comma) or device_rank(path) is not None:
        return real
    if split_numbers(plain.items()).total < ALIKE * sum(plain.values()):
        return real
    draft.attached, draft.decimal_comma = attached, comma
    if attached:
        draft.reasons["attached"] = "follows the numbers and is removed"
    if comma:
        draft.reasons["decimal_comma"] = "the comma is a decimal point, not a thousands separator"
    return plain


def _set_type(draft: ColumnDraft, real: dict[Value, int]) -> None:
    """Sets the type, and the entries that depend on it."""
    path, total = draft.label, sum(real.values())
    texts = Counter({v.text: n for v, n in real.items() if v.kind == "text"})
    numbers = split_numbers(real.items())
    words = sum(n for v, n in real.items() if v.text.strip(BLANK).lower() in BOOLEAN_WORDS)
    if numbers.total >= ALIKE * total:
        _set_number_type(draft, path, real, numbers)
    elif texts and iso_share(texts) * texts.total() >= ALIKE * total:
        draft.type, draft.formats = "timestamp", ["iso8601"]
    elif words + sum(numbers.counts[n] for n in (0.0, 1.0)) >= ALIKE * total:
        draft.type = "boolean"
        draft.reasons["type"] = "its values: " + _listed(_common(real))
    elif _is_mixed_time(path, texts, numbers, total):
        draft.type = "timestamp"
    else:
        _set_text_type(draft, real)
    if draft.type == "timestamp":
        _set_formats(draft, texts, numbers)


def _is_mixed_time(
    path: tuple[str, ...], texts: Counter[str], numbers: Numbers, total: int
) -> bool:
    iso = iso_share(texts) * texts.total()
    return (
        is_time(path)
        and iso + numbers.total >= ALIKE * total
        and bool(epoch_format(numbers.counts))
    )


def _set_number_type(
    draft: ColumnDraft, path: tuple[str, ...], real: dict[Value, int], numbers: Numbers
) -> None:
    as_texts = sum(n for v, n in real.items() if v.kind == "text") > sum(real.values()) / 2
    epoch = epoch_format(numbers.counts) if is_time(path) else None
    largest = max(abs(number) for number in numbers.counts)
    unit = unit_of(path, _unmarked(numbers))
    if epoch is not None:
        draft.type = "timestamp"
    elif device_rank(path) is not None and as_texts:
        _set_text_type(draft, real)
        draft.reasons["type"] = "digits sent as text; as numbers, 007 and 7 would be equal"
    elif not numbers.whole or unit is not None or largest >= 2**63:
        draft.type = "float"
        if numbers.whole and largest < 2**63:
            draft.reasons["type"] = "only whole numbers seen, but a measurement may have fractions"
    elif len(numbers.counts) <= FEW and largest < 1000 and numbers.total >= 4 * FEW:
        draft.type = "smallint"
        draft.reasons["type"] = "perhaps a code: " + _listed(_common(real), FEW)
        if numbers.counts.keys() <= {0.0, 1.0}:
            draft.reasons["type"] += "; boolean would work too"
    else:
        draft.type = "integer" if largest < 1_000_000 and not _counts_up(path) else "bigint"
    if as_texts and "type" not in draft.reasons and draft.type != "timestamp":
        draft.reasons["type"] = "numbers, sent as text"
    if numbers.others:
        draft.notes.append(f"not numbers: {_listed(dict(numbers.others.most_common(3)))}")


def _counts_up(path: tuple[str, ...]) -> bool:
    return any(word in path[-1].lower() for word in ("seq", "count", "uptime", "frame", "total"))


def _unmarked(numbers: Numbers) -> dict[float, int]:
    """The numbers that are not markers, with their counts."""
    marked = {marker.value for marker in extreme_markers(numbers.counts)}
    return {number: n for number, n in numbers.counts.items() if number not in marked}


def _set_text_type(draft: ColumnDraft, real: dict[Value, int]) -> None:
    longest = max(len(v.text) for v in real)
    draft.type = "text"
    length = 32
    while length < 2 * longest:
        length *= 2
    draft.max_length = min(length, MOST_CHARACTERS)
    draft.reasons["max_length"] = f"longest seen: {longest}"


def _set_formats(draft: ColumnDraft, texts: Counter[str], numbers: Numbers) -> None:
    epoch = epoch_format(numbers.counts)
    draft.formats = ["iso8601"] if texts and iso_share(texts) else []
    if epoch is not None:
        draft.formats.append(epoch)
        draft.reasons["formats"] = (
            f"its numbers, read as {epoch}, lie between the years 2000 and 2100"
        )
    naive = sum(n for text, n in texts.items() if len(text.strip(BLANK)) == 19)
    if naive:
        draft.reasons["timezone"] = (
            f"{share(naive, texts.total())} have no UTC offset; UTC is a guess"
        )


def _mark_missing(draft: ColumnDraft, markers: Counter[Value], total: int) -> None:
    """Sets the words that mean "no value"; by default only the empty text does."""
    spelled = Counter({v.text.strip(BLANK): 0 for v in markers})
    for value, count in markers.items():
        spelled[value.text.strip(BLANK)] += count
    if draft.type == "text":  # blanks are part of a text, and values are compared exactly
        spelled = Counter({v.text: n for v, n in markers.items()})
    draft.missing = ["", *sorted(word for word, _ in spelled.most_common(SPELLINGS) if word)]
    if spelled:
        words = _listed(word for word, _ in spelled.most_common())
        draft.reasons["missing"] = f"{words}: {share(spelled.total(), total)} of the readings"


def _set_limits(draft: ColumnDraft, numbers: Numbers) -> int:
    """Sets markers, range and unit of a number; returns the count of readings with a marker."""
    markers = extreme_markers(numbers.counts)
    left = _unmarked(numbers)
    # The unit in "2.8V" is better evidence than the member's name.
    label = (*draft.label, *draft.attached)
    unit = unit_of(label, left) if draft.type == "float" else None
    if unit is not None:
        outside = {n: count for n, count in left.items() if not unit.low <= n <= unit.high}
        again = {n: count for n, count in sorted(outside.items()) if count >= AGAIN}
        again = again if len(again) <= FEW else {}
        reason = f"repeated, and outside the range of {unit.of}"
        markers += [Marker(n, count, reason) for n, count in again.items()]
        left = {n: count for n, count in left.items() if n not in again}
    for marker in markers:
        value = int(marker.value) if float(marker.value).is_integer() else marker.value
        draft.missing.append(value)
        times = "once" if marker.count == 1 else f"{marker.count:,} times"
        draft.notes.append(f"missing: {value} ({times}) is {marker.reason}")
    low, high = min(left), max(left)
    if unit is not None:
        draft.unit, draft.range = unit.symbol, (unit.low, unit.high)
        draft.reasons["unit"] = "a guess from the name and the values"
        draft.reasons["range"] = f"{unit.of}; seen: {low:g} to {high:g}"
    elif draft.type != "smallint" and not _counts_up(draft.label):
        draft.range = _with_headroom(draft, low, high)
        draft.reasons["range"] = f"seen: {low:g} to {high:g}, with headroom"
    _note_ceilings(draft, left, low, high)
    return sum(marker.count for marker in markers)


def _with_headroom(draft: ColumnDraft, low: float, high: float) -> tuple[float, float] | None:
    """A range ten times as wide as the values seen; it has no negative part if they have none.

    A range that is too wide accepts a strange value, one that is too narrow loses a valid one.
    """
    reach = 9 * max(high - low, abs(low), abs(high), 1)
    least = 0 if low >= 0 else round_outward(low - reach, up=False)
    most = round_outward(high + reach, up=True)
    if draft.type == "float":
        return (least, most)
    bits = {"smallint": 15, "integer": 31, "bigint": 63}[draft.type]
    # A double near 2**63 rounds up to it, which a bigint can't hold.
    return None if max(abs(least), most) >= 2**bits / 2 else (int(least), int(most))


def _note_ceilings(draft: ColumnDraft, left: dict[float, int], low: float, high: float) -> None:
    """Notes an extreme value that is unusually frequent: a sensor at its limit."""
    total = sum(left.values())
    for value in {low, high} if draft.type == "float" and len(left) > FEW else ():
        usual = total / len(left)
        if left[value] > max(0.02 * total, 5 * usual):
            draft.notes.append(
                f"{share(left[value], total)} are exactly {value:g}, "
                f"the {'largest' if value == high else 'smallest'} value: the sensor's own limit?"
            )


def _summary(draft: ColumnDraft, real: dict[Value, int], present: int, total: int) -> str:
    distinct = draft.distinct
    values = "1 value" if distinct == 1 else f"{distinct:,} distinct values"
    return f"in {share(present, total)} of the readings; {values}: {_listed(_common(real))}"


def _common(real: dict[Value, int]) -> list[str]:
    return list(dict.fromkeys(v.text for v, _ in Counter(real).most_common(6)))


def _listed(texts: Iterable[str], most: int = 3) -> str:
    """A few texts in one line, shortened and quoted."""
    found = list(texts)
    cut = [text if len(text) <= 24 else f"{text[:21]}..." for text in found[:most]]
    quoted = ", ".join(f"'{text}'" for text in cut)
    return quoted + (", ..." if len(found) > most else "")
