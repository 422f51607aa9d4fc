"""Patterns of times: a small part of what ``strptime`` knows, with nothing left to a library.

::

    %Y %y   year, of four digits or two (69-99 are 19xx)     %H %I   hour, of 24 or 12
    %m %b   month, as number or English short name           %p      AM or PM, in any case
    %d %j   day of the month, of the year                    %M %S   minute, second
    %G %V %u  year, week and day (1 is Monday) of ISO 8601's weeks, together
    %f      1 to 9 digits of a second's fraction             %z      Z, +01, +0100 or +01:00
    %a      English short name of the date's weekday         %Z      UTC or GMT, in any case
    %%      a percent sign

Numbers of two or three digits may have fewer, unless another number stands next to them. Everything
else stands for itself.
"""

from __future__ import annotations

import math
import re

__all__ = [
    "AUTO_EPOCHS",
    "DIRECTIVES",
    "MONTHS",
    "PER_SECOND",
    "WEEKDAYS",
    "TimePattern",
    "TimePatternError",
    "read_pattern",
]

PER_SECOND = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
AUTO_EPOCHS = ((1e11, 1), (1e14, 10**3), (1e17, 10**6), (math.inf, 10**9))
"""Units of ``epoch_auto``: below the first number it is seconds, below the next milliseconds and so
on. Each begins in March 1973 and ends in the year 5138, so that times of today have room around."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{1,2}",
    "b": "(?i:" + "|".join(MONTHS) + ")",
    "d": "[0-9]{1,2}",
    "j": "[0-9]{1,3}",
    "G": "[0-9]{4}",
    "V": "[0-9]{1,2}",
    "u": "[1-7]",
    "a": "(?i:" + "|".join(WEEKDAYS) + ")",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "p": "(?i:am|pm)",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}",
    "f": "[0-9]{1,9}",
    "z": "Z|[+-][0-9]{2}(?::?[0-9]{2})?",
    "Z": "(?i:utc|gmt)",
}
NUMBERS = set(DIRECTIVES) - {"a", "b", "p", "z", "Z"}
_PIECE = re.compile(r"%(.?)|[^%]+", re.DOTALL)
_ONE_OF = (("Y", "y"), ("m", "b", "j"), ("d", "j"))
"""Directives that a date needs, where it isn't one of a week."""
_WEEK = {"G", "V", "u"}
_DAY = {name for choice in _ONE_OF for name in choice}
_FEWER = re.compile(r"\{1,([23])\}")


class TimePatternError(ValueError):
    """Raised when a pattern can't be read; the message says what to write instead."""


class TimePattern:
    """A pattern, read: a regular expression whose groups are its directives."""

    def __init__(self, regex: str, directives: tuple[str, ...]) -> None:
        self.regex = regex
        """Regular expression of the whole text; one group for each directive, in their order."""
        self.directives = directives


def read_pattern(text: str) -> TimePattern:
    """The pattern. Raises :class:`TimePatternError`."""
    pieces = list(_PIECE.finditer(text))
    letters = [piece[1] for piece in pieces]
    regex, directives = "", []
    for at, piece in enumerate(pieces):
        letter = piece[1]
        if letter is None:
            regex += re.escape(piece[0])
        elif letter == "%":
            regex += "%"
        elif letter not in DIRECTIVES:
            known = " ".join(f"%{name}" for name in DIRECTIVES)
            raise TimePatternError(f"%{letter} is not known; use {known}")
        else:
            beside = {letters[at - 1] if at else None, *letters[at + 1 : at + 2]}
            part = DIRECTIVES[letter]
            regex += "(" + (_FEWER.sub(r"{\1}", part) if beside & NUMBERS else part) + ")"
            directives.append(letter)
    _check(text, directives)
    return TimePattern(regex, tuple(directives))


def _check(text: str, directives: list[str]) -> None:
    if len(set(directives)) < len(directives):
        raise TimePatternError(f"{text!r} has a directive twice; keep one")
    _check_date(text, directives)
    if "H" in directives and "I" in directives:
        raise TimePatternError(f"{text!r} has both %H and %I; keep one")
    if ("I" in directives) != ("p" in directives):
        raise TimePatternError(f"{text!r} must have %I and %p together")
    if "f" in directives and "S" not in directives:
        raise TimePatternError(f"{text!r} has %f without %S; add it")
    if "z" in directives and "Z" in directives:
        raise TimePatternError(f"{text!r} has both %z and %Z; keep one")


def _check_date(text: str, directives: list[str]) -> None:
    names = set(directives)
    if names & _WEEK:
        if not names >= _WEEK or names & _DAY:
            raise TimePatternError(
                f"{text!r} must have %G, %V and %u together, and no other part of a date"
            )
        return
    for choice in _ONE_OF:
        found = [name for name in directives if name in choice]
        wanted = " or ".join(f"%{name}" for name in choice)
        if len(found) != 1:
            raise TimePatternError(f"{text!r} must have one of {wanted}")
