"""Finds words that readers stumble over, where a reader meets them: ``python -m audit.words``.

``docs/internals/words.toml`` has the list, each with better words, and the places where it is
enforced. Exits with 1 where one of them is found. Looked at are, by kind of file:

* Markdown, without fenced and inline code, links' targets and comments;
* HTML templates, without tags (but with ``title``, ``alt`` and ``aria-label``) and Jinja's code;
* Python: docstrings and comments without code, and string constants but names such as ``batch_id``;
* any other file, as it is.

A docstring is a sentence that stands without the name above it: one that begins with a word of
``fragments``, such as "Whether", is found too.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
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
_CODE = re.compile(r"``.+?``|`[^`\n]+`", re.DOTALL)
_NAME = re.compile(r"[a-z0-9_.-]*")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTE = re.compile(r"""\b(?:title|alt|aria-label|placeholder)=(["'])(.*?)\1""", re.DOTALL)


@dataclass(frozen=True)
class Lists:
    """The words and the places of ``words.toml``."""

    words: dict[str, str]
    """Regular expression to better words."""
    places: tuple[str, ...]
    """Files and folders, relative to the repository."""
    fragments: str
    """Regular expression of the words that no docstring begins with."""


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
    return Lists(read["words"], tuple(read["places"]["checked"]), read["docstrings"]["fragments"])


def find_in(path: Path, text: str, lists: Lists) -> Iterator[Found]:
    """Every word of the list in one file's text, then every fragment among its docstrings."""
    patterns = [(_pattern(word), better) for word, better in lists.words.items()]
    for line, part in texts_of(path, text):
        for pattern, better in patterns:
            for hit in pattern.finditer(part):
                at = line + part.count("\n", 0, hit.start())
                yield Found(path, at, " ".join(hit[0].split()), better)
    if path.suffix == ".py":
        fragment = re.compile(rf"(?:{lists.fragments})\b")
        for line, docstring in _docstrings(ast.parse(text)):
            if begin := fragment.match(docstring):
                yield Found(path, line, begin[0], "a docstring that is a sentence of its own")


def texts_of(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """The texts of a file that a reader meets, each with the line on which it begins."""
    if path.suffix == ".md":
        yield 1, _MARKDOWN_CODE.sub(_blank, text)
    elif path.suffix == ".html":
        yield 1, _TAG.sub(_blank_tag, _JINJA.sub(_blank, text))
    elif path.suffix == ".py":
        tree = ast.parse(text)
        yield from _strings(tree)
        yield from _docstrings(tree)
        yield from _comments(text)
    else:
        yield 1, text


def _pattern(word: str) -> re.Pattern[str]:
    spaced = word.replace(" ", r"\s+")
    return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)


def _blank(found: re.Match[str]) -> str:
    """A blank of the same length, with a mark that no word goes across."""
    return re.sub(r"[^\n]", "\0", found[0])


def _blank_tag(found: re.Match[str]) -> str:
    blank = list(_blank(found))
    for attribute in _ATTRIBUTE.finditer(found[0]):
        blank[attribute.start(2) : attribute.end(2)] = attribute[2]
    return "".join(blank)


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Docstrings of modules, classes, functions and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield node.lineno, _CODE.sub(_blank, text).lstrip(" \n")


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _CODE.sub(_blank, token.string)


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String constants; the parts of an f-string as one text, with ``{}`` for what is put in."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))  # a docstring
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in ast.walk(node))
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(str(part) for part in parts)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
            and not _NAME.fullmatch(node.value)
        ):
            yield node.lineno, node.value


def _files(places: Iterable[str]) -> Iterator[Path]:
    for name in places:
        place = ROOT / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (f for f in found if f.suffix in READ and f != LISTS)


def _all_found(files: Iterable[Path], lists: Lists) -> Iterator[Found]:
    for file in files:
        relative = file.relative_to(ROOT)
        yield from find_in(relative, file.read_text(encoding="utf-8"), lists)


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; 1 where that is anything."""
    parser = argparse.ArgumentParser(prog="audit.words", description="Words to avoid.")
    parser.add_argument("places", nargs="*", help="Look here instead of in the list's places.")
    asked = parser.parse_args(arguments)
    lists = read_lists()
    found = list(_all_found(_files(asked.places or lists.places), lists))
    for one in found:
        sys.stdout.write(f"{one}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
