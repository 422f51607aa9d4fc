"""Finds words that readers stumble over, where a reader meets them: ``python -m audit.words``.

``docs/internals/words.toml`` has the list, each with better words, and the places where it is
enforced. Exits with 1 where one of them is found. Looked at are, by kind of file:

* Markdown, without fenced and inline code, links' targets and comments;
* HTML templates, without tags (but with ``title``, ``alt`` and ``aria-label``) and Jinja's code;
* Python: string constants, of docstrings only those of commands, which are their help texts;
* any other file, as it is.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Found", "Lists", "find_in", "read_lists", "texts_of"]

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "docs" / "internals" / "words.toml"
READ = {".md", ".html", ".py", ".toml"}
_MARKDOWN_CODE = re.compile(
    r"^ *```.*?^ *```[^\n]*$|`[^`\n]+(?:\n[^`\n]+)?`|(?<=\]\()[^)]*|<!--.*?-->|^\[[\w-]+\]: .*?$",
    re.DOTALL | re.MULTILINE,
)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTE = re.compile(r"""\b(?:title|alt|aria-label|placeholder)=(["'])(.*?)\1""", re.DOTALL)


@dataclass(frozen=True)
class Lists:
    """The words and the places of ``words.toml``."""

    words: dict[str, str]
    """Regular expression to better words."""
    checked: tuple[str, ...]
    waiting: tuple[str, ...]
    generated: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """One word of the list, in a file."""

    path: Path
    line: int
    word: str
    better: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.word}': write {self.better}"


def read_lists(file: Path = LISTS) -> Lists:
    """The lists of a file; raises ``KeyError`` where a part is missing."""
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    places = {key: tuple(read["places"][key]) for key in ("checked", "waiting", "generated")}
    return Lists(words=read["words"], **places)


def find_in(path: Path, text: str, words: dict[str, str]) -> Iterator[Found]:
    """Every word of the list in one file's text, in the order of the list."""
    patterns = [(_pattern(word), better) for word, better in words.items()]
    for line, part in texts_of(path, text):
        for pattern, better in patterns:
            for hit in pattern.finditer(part):
                at = line + part.count("\n", 0, hit.start())
                yield Found(path, at, " ".join(hit[0].split()), better)


def texts_of(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """The texts of a file that a reader meets, each with the line on which it begins."""
    if path.suffix == ".md":
        yield 1, _MARKDOWN_CODE.sub(_blank, text)
    elif path.suffix == ".html":
        yield 1, _TAG.sub(_blank_tag, _JINJA.sub(_blank, text))
    elif path.suffix == ".py":
        yield from _strings(ast.parse(text))
    else:
        yield 1, text


def _pattern(word: str) -> re.Pattern[str]:
    spaced = word.replace(" ", r"\s+")
    return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)


def _blank(found: re.Match[str]) -> str:
    """As long as what was found, with a mark that no word goes across."""
    return re.sub(r"[^\n]", "\0", found[0])


def _blank_tag(found: re.Match[str]) -> str:
    blank = list(_blank(found))
    for attribute in _ATTRIBUTE.finditer(found[0]):
        blank[attribute.start(2) : attribute.end(2)] = attribute[2]
    return "".join(blank)


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String constants; the parts of an f-string as one text, with ``{}`` for what is put in."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))  # a docstring, of a function or of an attribute
        if isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            help_text = ast.get_docstring(node)
            if help_text:
                yield node.body[0].lineno, help_text
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in ast.walk(node))
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(str(part) for part in parts)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.lineno, node.value


def _is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in {"command", "callback"}


def _files(places: Iterable[str], without: Iterable[str] = ()) -> Iterator[Path]:
    left_out = {ROOT / name for name in without}
    for name in places:
        place = ROOT / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (f for f in found if f.suffix in READ and f not in left_out and f != LISTS)


def _all_found(files: Iterable[Path], words: dict[str, str]) -> Iterator[Found]:
    for file in files:
        relative = file.relative_to(ROOT)
        yield from find_in(relative, file.read_text(encoding="utf-8"), words)


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; 1 where that is anything in a place that is checked."""
    parser = argparse.ArgumentParser(prog="audit.words", description="Words to avoid.")
    parser.add_argument("--waiting", action="store_true", help="Count in the other places, too.")
    parser.add_argument("places", nargs="*", help="Look here instead of in the list's places.")
    given = parser.parse_args(arguments)
    lists = read_lists()
    if given.places:
        found = list(_all_found(_files(given.places), lists.words))
    else:
        found = list(_all_found(_files(lists.checked, lists.generated), lists.words))
    for one in found:
        sys.stdout.write(f"{one}\n")
    if given.waiting:
        waiting = _all_found(_files([*lists.waiting, *lists.generated]), lists.words)
        counts = Counter(str(one.path) for one in waiting)
        for path, count in sorted(counts.items()):
            sys.stdout.write(f"waiting: {path}: {count}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
