"""SVG elements, colours for light and dark mode, and estimated widths of texts.

Colours are attributes, so that a picture is right where style sheets are removed; the style sheet
holds only dark mode and animations. Each rule begins with the picture's own id, since pictures on
one page share their style sheets.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

__all__ = ["Drawing", "Point", "curved_path", "rounded_path", "shorten", "text_width", "wrap"]

Point = tuple[float, float]

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

COLOURS = {
    "paper": ("#ffffff", "#0d1117"),
    "text": ("#17202b", "#e6edf3"),
    "muted": ("#566373", "#9aa7b4"),
    "faint": ("#8a95a1", "#6e7a86"),
    "line": ("#7d8a98", "#7d8a98"),
    "faint-line": ("#ccd3da", "#343c46"),
    "box": ("#ffffff", "#161c24"),
    "edge": ("#a3afbc", "#47525f"),
    "container": ("#f4f7fa", "#11161d"),
    "error-line": ("#b7796f", "#a8695f"),
    "accent": ("#0b62c4", "#58a6ff"),
    "on-accent": ("#ffffff", "#0d1117"),
    "succeeded": ("#1a7f4b", "#3fb97c"),
    "succeeded-box": ("#eef8f2", "#10251b"),
    "failed": ("#c02626", "#ff7b72"),
    "failed-box": ("#fdeeee", "#331719"),
    "running": ("#0b62c4", "#58a6ff"),
    "running-box": ("#eaf3fe", "#0f2239"),
    "caught": ("#9a5700", "#e3a341"),
    "caught-box": ("#fff5e5", "#2c200d"),
    "stopped": ("#6b4fa0", "#b392f0"),
    "stopped-box": ("#f4effb", "#211933"),
    "span-state": ("#7d8a98", "#7d8a98"),
    "span-call": ("#9cc3ee", "#2f5f94"),
    "span-code": ("#3f7fca", "#4f93dd"),
    "span-start": ("#c7a13f", "#a5862f"),
    "span-step": ("#2f9e8f", "#37b3a2"),
}
"""Colours by role, for light and for dark mode."""

_SELF = "\ue000"
"""Placeholder for the picture's id, which is a hash of the rest; a private-use character."""
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue001-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, and the placeholder above."""
_NARROW, _WIDE = frozenset("ijlft.,:;'|!()[] I/·-"), frozenset("mwMW@%…↻—")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Estimated width in pixels; rather too wide than too narrow, as fonts differ."""
    units = 0.0
    for character in text:
        if character in _NARROW:
            units += 0.36
        elif character in _WIDE:
            units += 0.93
        elif character.isupper():
            units += 0.69
        else:
            units += 0.59
    return units * size * (1.07 if bold else 1.0)


def shorten(text: str, width: float, size: float, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it would exceed ``width``."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, width: float, size: float, most: int) -> list[str]:
    """The text in lines of at most ``width``, cut with an ellipsis after ``most`` lines."""
    lines, words = [""], text.split()
    for index, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) == most:
            lines[-1] = shorten(" ".join([lines[-1], *words[index:]]), width, size)
            break
        else:
            lines.append(word)
    return [shorten(line, width, size) for line in lines if line]


def rounded_path(points: Iterable[Point], radius: float = 7.0) -> str:
    """A path along straight lines with round corners."""
    every = list(points)
    corners = [p for i, p in enumerate(every) if i == 0 or p != every[i - 1]]
    text = [f"M{_n(corners[0][0])} {_n(corners[0][1])}"]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        enter, leave = _toward(corner, before, radius), _toward(corner, after, radius)
        text.append(f"L{_n(enter[0])} {_n(enter[1])}")
        text.append(f"Q{_n(corner[0])} {_n(corner[1])} {_n(leave[0])} {_n(leave[1])}")
    text.append(f"L{_n(corners[-1][0])} {_n(corners[-1][1])}")
    return "".join(text)


def curved_path(points: Iterable[Point]) -> str:
    """A path that leaves and reaches each point vertically."""
    (x, y), *rest = points
    text = [f"M{_n(x)} {_n(y)}"]
    for to_x, to_y in rest:
        if abs(to_x - x) < 0.5:
            text.append(f"L{_n(to_x)} {_n(to_y)}")
        else:
            half = (y + to_y) / 2
            text.append(f"C{_n(x)} {_n(half)} {_n(to_x)} {_n(half)} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return "".join(text)


def _toward(corner: Point, other: Point, radius: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-6)
    part = min(radius, length / 2) / length
    return corner[0] + dx * part, corner[1] + dy * part


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _legal(text: str | None) -> str | None:
    """The text with a replacement character for each that XML does not allow."""
    return None if text is None else _ILLEGAL.sub("\ufffd", text)


class Drawing:
    """An SVG document that is built element by element; :meth:`text` returns it."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        """``title`` and ``description`` are read out by screen readers."""
        self._roles: set[tuple[str, str]] = set()
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "width": _n(width),
                "height": _n(height),
                "viewBox": f"0 0 {_n(width)} {_n(height)}",
                "role": "img",
                "aria-labelledby": f"{_SELF}-title {_SELF}-desc",
                "id": _SELF,
                "font-family": FONT,
                # A page that is narrower than the picture shrinks it.
                "style": f"width:100%;max-width:{_n(width)}px;height:auto",
            },
        )
        ElementTree.SubElement(self.root, "title", {"id": f"{_SELF}-title"}).text = _legal(title)
        element = ElementTree.SubElement(self.root, "desc", {"id": f"{_SELF}-desc"})
        element.text = _legal(description)
        self._style = ElementTree.SubElement(self.root, "style")
        self.add("rect", width=width, height=height, rx=10, fill="paper")

    def add(
        self,
        tag: str,
        parent: ElementTree.Element | None = None,
        *,
        fill: str | None = None,
        stroke: str | None = None,
        content: str | None = None,
        hint: str | None = None,
        motion: str | None = None,
        **attributes: str | float,
    ) -> ElementTree.Element:
        """Add an element. ``fill`` and ``stroke`` are roles of :data:`COLOURS` (or ``none``);
        ``hint`` is a tooltip; ``motion`` names an animation (``spin``)."""
        names = {
            name.replace("_", "-"): _n(value) if isinstance(value, int | float) else value
            for name, value in attributes.items()
        }
        classes = [motion] if motion else []
        for name, role in (("fill", fill), ("stroke", stroke)):
            if role == "none":
                names[name] = "none"
            elif role is not None:
                names[name] = COLOURS[role][0]
                self._roles.add((name, role))
                classes.append(f"{name[0]}-{role}")
        if classes:
            names["class"] = " ".join(classes)
        element = ElementTree.SubElement(self.root if parent is None else parent, tag, names)
        element.text = _legal(content)
        if hint:
            ElementTree.SubElement(element, "title").text = _legal(hint)
        return element

    def write(
        self,
        text: str,
        x: float,
        y: float,
        size: float = 13,
        *,
        parent: ElementTree.Element | None = None,
        fill: str = "text",
        bold: bool = False,
        anchor: str = "start",
        **attributes: Any,
    ) -> ElementTree.Element:
        """Add a line of text; ``y`` is its baseline."""
        weight: dict[str, Any] = {"font_weight": "600"} if bold else {}
        return self.add(
            "text",
            parent,
            fill=fill,
            content=text,
            x=x,
            y=y,
            font_size=size,
            text_anchor=anchor,
            **weight,
            **attributes,
        )

    def text(self) -> str:
        """The document; the same drawing always gives the same text and id."""
        dark = "".join(
            f"#{_SELF} .{name[0]}-{role}{{{name}:{COLOURS[role][1]}}}"
            for name, role in sorted(self._roles)
            if COLOURS[role][0] != COLOURS[role][1]
        )
        self._style.text = (
            f"@media (prefers-color-scheme:dark){{{dark}}}"
            "@media (prefers-reduced-motion:no-preference){"
            f"#{_SELF} .spin{{animation:{_SELF}-spin 1.6s linear infinite;"
            "transform-box:fill-box;transform-origin:center}}"
            f"@keyframes {_SELF}-spin{{to{{transform:rotate(360deg)}}}}"
        )
        document = ElementTree.tostring(self.root, encoding="unicode")
        identity = "p" + hashlib.sha256(document.encode()).hexdigest()[:8]
        return document.replace(_SELF, identity)
