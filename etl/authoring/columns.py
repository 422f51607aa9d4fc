"""The column that the values of one member suggest, with the reason for each of its lines.

A column takes every value that was seen, except markers that the field knows. A guess may cost
convenience, never a value: so there are no limits, and whole numbers may have fractions tomorrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from etl.authoring.draft import ColumnDraft, share
from etl.authoring.markers import MISSING_WORDS, number_markers
from etl.authoring.members import Members, Value
from etl.authoring.names import column_name, counts_or_codes, identifies, is_time, is_version, words
from etl.authoring.numbers import (
    BLANK,
    Numbers,
    are_names,
    digits_needed,
    split_numbers,
    strip_units,
)
from etl.authoring.quantities import unit_of
from etl.authoring.times import Times, find_times

__all__ = ["as_text", "draft_column"]

RARE = 0.05
"""Share of the readings with a value below which a column is noted as rare."""
MOSTLY = 0.9
"""Share of the values that must be numbers for the column to be one, beside one of texts."""
MOSTLY_TIMES = 0.9
BOOLEAN_PAIRS = ({"true", "false"}, {"yes", "no"}, {"on", "off"})
BOOLEAN_VALUES = 20
"""Values needed before two words are taken for true and false."""
SURE_TIMES = {"ts", "timestamp", "time", "datetime", "date"}
"""Words of names that promise a time."""
SPELLINGS = 8
"""Most markers that are words, for one column."""
MAX_DIGITS = 38
BIGINT = 2**63


def draft_column(draft: ColumnDraft, values: Counter[Value], members: Members) -> str | None:
    """Completes the draft by the values of its member; the reason where there is no column."""
    nested = sum(n for v, n in values.items() if v.kind in ("object", "array"))
    scalars = {v: n for v, n in values.items() if v.kind in ("number", "text", "boolean")}
    total = len(members.readings)
    if nested:
        present = nested + sum(scalars.values())
        _set_json(draft, values, present, total)
        return None
    if not scalars:
        return "always null"
    words = {v: n for v, n in scalars.items() if v.text.strip(BLANK).lower() in MISSING_WORDS}
    real = {v: n for v, n in scalars.items() if v not in words}
    if not real:
        return "always " + _listed(dict.fromkeys(v.text for v in words))
    _set_type(draft, real, Counter(words))
    if draft.type == "text":
        real |= {v: n for v, n in words.items() if v.text}
    present = sum(real.values()) - sum(
        n for text, n in draft.marked.items() if text.lower() not in MISSING_WORDS
    )
    draft.presence = present / total if total else 0.0
    draft.distinct = len({v.text for v in real})
    draft.longest = max(len(v.text) for v in real)
    draft.notes.insert(0, _summary(draft, real, present, total))
    if draft.presence < RARE:
        draft.notes.append("rarely present: is it worth a column?")
    return None


def as_text(draft: ColumnDraft, values: Iterable[str] = (), why: str = "") -> None:
    """Makes a column of texts, which takes any value but objects and arrays."""
    draft.longest = max((len(text) for text in values), default=0)
    draft.type, draft.missing, draft.marked = "text", [], Counter()
    draft.precision = draft.scale = draft.timezone = draft.unit = None
    draft.formats, draft.attached, draft.decimal_comma, draft.also_as = [], [], False, None
    for key in ("unit", "missing", "attached", "decimal_comma", "timezone", "formats", "type"):
        draft.reasons.pop(key, None)
    if why:
        draft.reasons["type"] = why


def _set_json(draft: ColumnDraft, values: Counter[Value], present: int, total: int) -> None:
    draft.type = "jsonb"
    draft.presence = present / total if total else 0.0
    draft.distinct = len(values)
    kinds = Counter({kind: sum(n for v, n in values.items() if v.kind == kind) for kind in
                     ("array", "object", "text", "number", "boolean")})  # fmt: skip
    found = ", ".join(f"{kind} {share(n, present)}" for kind, n in kinds.most_common() if n)
    draft.reasons["type"] = "kept whole: its parts have no columns"
    draft.notes.append(f"in {share(present, total)} of the readings: {found}")


def _set_type(draft: ColumnDraft, real: dict[Value, int], words: Counter[Value]) -> None:
    """Sets the type, and the entries that depend on it."""
    if all(v.kind == "boolean" for v in real):
        draft.type = "boolean"
        return
    if not is_version(draft.label) and _set_time(draft, real):
        _mark_words(draft, words)
        return
    if _are_booleans(real):
        draft.type = "boolean"
        draft.reasons["type"] = "its values: " + _listed(_common(real))
        return
    plain = _plain_numbers(draft, real)
    numbers = split_numbers(plain.items())
    texts_only = all(v.kind == "text" for v in real)
    if numbers.total < MOSTLY * sum(plain.values()):
        others = len(numbers.others)
        as_text(draft, (v.text for v in real))
        if numbers.total > 0.5 * sum(plain.values()) and not texts_only and others <= 12:
            draft.also_as = _number_beside(draft, numbers, words)
            draft.reasons["type"] = f"not only numbers: {_listed(numbers.others)}"
        return
    if is_version(draft.label):
        as_text(draft, (v.text for v in real), "versions: 1.10 is not 1.1")
    elif texts_only and (identifies(draft.label) or are_names(numbers)):
        as_text(draft, (v.text for v in real), "digits that identify; as numbers, 007 would be 7")
    else:
        _set_number(draft, numbers, as_texts=texts_only)
        _mark_words(draft, words)
        if numbers.others and draft.type != "text":
            draft.also_as = _text_beside(draft)
            draft.notes.append(f"not numbers: {_listed(numbers.others)}")


def _set_time(draft: ColumnDraft, real: dict[Value, int]) -> bool:
    """Makes it a timestamp where its values are times; notes where a name promises one in vain."""
    named = is_time(draft.label)
    times = find_times(real, numbers=named)
    if times.mixed and named:
        draft.problem = times.mixed
        return False
    if not times.formats or times.share < (MOSTLY_TIMES if named else 1):
        if named and (times.formats or set(words(draft.label[-1])) & SURE_TIMES):
            draft.problem = f"{share(times.share, 1)} of its values can be read as times"
        return False
    if not named and times.only_days and identifies(draft.label):
        return False
    draft.type, draft.formats = "timestamp", times.formats
    if times.unread:
        draft.missing = ["", *sorted(times.unread)] if len(times.unread) <= SPELLINGS else []
        draft.marked = Counter(times.unread)
        draft.notes.append(f"no times: {_listed(times.unread)}")
        draft.also_as = _text_beside(draft)
    _explain_time(draft, times)
    return True


def _explain_time(draft: ColumnDraft, times: Times) -> None:
    epoch = next((name for name in times.formats if name.startswith("epoch")), None)
    if epoch == "epoch_auto":
        draft.reasons["formats"] = "seconds, milliseconds and so on, distinguished by their size"
    elif epoch:
        draft.reasons["formats"] = f"its numbers, read as {epoch}, lie in the years 2000 to 2100"
    if times.naive or times.zone != "UTC":
        draft.timezone = times.zone
        draft.reasons["timezone"] = (
            f"{share(times.naive, times.total)} have no UTC offset; {times.zone} is a guess"
        )
    if times.guessed_order:
        draft.reasons["formats"] = "day or month first? Both would fit; this is a guess"
    if times.unset:
        draft.unset_clocks = times.unset
        draft.notes.append(
            f"{share(times.unset, times.total)} are of a clock that was not set (before 2009, or "
            "after 2036)"
        )


def _are_booleans(real: dict[Value, int]) -> bool:
    """True for booleans and numbers 1 and 0, or for both words of a pair that is often seen."""
    spelled = {v.text.strip(BLANK).lower() for v in real}
    if any(v.kind == "boolean" for v in real):
        return all(v.kind == "boolean" or v.text in ("0", "1") for v in real)
    return sum(real.values()) >= BOOLEAN_VALUES and any(spelled == pair for pair in BOOLEAN_PAIRS)


def _plain_numbers(draft: ColumnDraft, real: dict[Value, int]) -> dict[Value, int]:
    """The values without units and decimal commas, where that makes them numbers."""
    plain, attached, comma = strip_units(real)
    if not (attached or comma) or identifies(draft.label):
        return real
    if split_numbers(plain.items()).total < sum(plain.values()):
        return real
    draft.attached, draft.decimal_comma = attached, comma
    if attached:
        draft.reasons["attached"] = "follows the numbers and is removed"
    if comma:
        draft.reasons["decimal_comma"] = "the comma is a decimal point, not a thousands separator"
    return plain


def _set_number(draft: ColumnDraft, numbers: Numbers, *, as_texts: bool) -> None:
    largest = max(abs(number) for number in numbers.counts)
    digits = digits_needed(numbers, as_texts=as_texts)
    draft.whole = numbers.whole and largest < BIGINT and not numbers.others
    whole_by_name = counts_or_codes(draft.label) or identifies(draft.label)
    draft.type = "float"
    if numbers.whole and largest < BIGINT and (whole_by_name or digits):
        draft.type = "bigint"
    elif digits and sum(digits) <= MAX_DIGITS:
        draft.type, draft.precision = "decimal", MAX_DIGITS
        draft.scale = min(digits[1] + 3 if digits[1] else 0, MAX_DIGITS - digits[0])
        draft.reasons["type"] = "more digits than a double holds"
    elif digits:
        as_text(draft, numbers.spellings, "more digits than any number type holds")
        return
    elif numbers.whole:
        draft.reasons["type"] = "only whole numbers seen, but a measurement may have fractions"
    if numbers.counts.keys() <= {0.0, 1.0}:
        draft.notes.append("only 0 and 1 seen: a boolean would do")
    if as_texts and "type" not in draft.reasons:
        draft.reasons["type"] = "numbers, sent as text"
    _mark_numbers(draft, numbers)


def _mark_numbers(draft: ColumnDraft, numbers: Numbers) -> None:
    """Sets markers and unit of a number, and notes the values seen."""
    markers = number_markers(draft.label, numbers.counts)
    if markers:
        draft.missing = [""]
    for marker in markers:
        value = int(marker.value) if float(marker.value).is_integer() else marker.value
        draft.missing.append(value)
        draft.marked[str(value)] += marker.count
        times = "once" if marker.count == 1 else f"{marker.count:,} times"
        draft.notes.append(f"missing: {value} ({times}) is {marker.reason}")
    marked = {marker.value for marker in markers}
    left = {number: n for number, n in numbers.counts.items() if number not in marked}
    draft.notes.append(f"from {min(left):g} to {max(left):g}")
    # The unit in "2.8V" is better evidence than the member's name.
    label = (*draft.label, f"is_{draft.attached[0]}") if draft.attached else draft.label
    unit = unit_of(label, left) if draft.type in ("float", "decimal") else None
    if unit is not None:
        draft.unit = unit.symbol
        draft.reasons["unit"] = "a guess from the name and the values"


def _mark_words(draft: ColumnDraft, words: Counter[Value]) -> None:
    """Sets the words that mean "no value"; by default only the empty text does."""
    spelled: Counter[str] = Counter()
    for value, count in words.items():
        spelled[value.text.strip(BLANK)] += count
    if not spelled:
        return
    numbers = [marker for marker in draft.missing if marker != ""]
    named = sorted(word for word, _ in spelled.most_common(SPELLINGS) if word)
    draft.missing = ["", *named, *numbers]
    draft.marked.update({word: n for word, n in spelled.items() if word})
    draft.reasons["missing"] = _listed(word for word, _ in spelled.most_common())


def _text_beside(draft: ColumnDraft) -> ColumnDraft:
    """A column of texts that keeps what the first one can't take."""
    other = replace(_bare(draft), name=column_name((*draft.label, "text"), set()))
    other.notes = [f"every value of {draft.name} as it was sent; remove it if that is not needed"]
    return other


def _number_beside(
    draft: ColumnDraft, numbers: Numbers, words: Counter[Value]
) -> ColumnDraft | None:
    """A column of the numbers among texts; None where no number type holds their digits."""
    other = replace(_bare(draft), name=column_name((*draft.label, "number"), set()))
    _set_number(other, replace(numbers, whole=False), as_texts=False)
    if other.type == "text":
        return None
    _mark_words(other, words)
    other.notes.insert(0, f"the numbers among the values of {draft.name}")
    return other


def _bare(draft: ColumnDraft) -> ColumnDraft:
    return ColumnDraft(draft.name, draft.places, draft.sources, draft.label)


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
