"""Every `etl` command in a page is one that there is, with options that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from typer.main import get_command

from etl.cli.main import app

PAGES = [Path("README.md"), *sorted(Path().glob("C*.md")), *sorted(Path("docs").rglob("*.md"))]
GENERATED = "cli.md"  # its usage lines are no commands
BLOCK = re.compile(r"^ *```(?:console|sh|bash)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(etl [a-z][^`]*)`(?!`)")
COMMENT = re.compile(r"<!-- test: (.*?) -->", re.DOTALL)
ETL = get_command(app)
REDIRECTION = re.compile(r"[0-9]*>\S")
ENDS = {";", "&&", "||", "|", ">", "2>&1", "2>", "&", ")", "#"}


def lines_of(text: str) -> Iterator[str]:
    for block in BLOCK.findall(text):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            shown = block.lstrip().startswith("$ ")
            if not shown or line.lstrip().startswith("$ "):
                yield line.strip().removeprefix("$ ")
    yield from COMMENT.findall(text)


def commands_in(line: str) -> Iterator[list[str]]:
    """The words behind each ``etl`` of a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = [word for word in lexer if not REDIRECTION.match(word)]
    for at, word in enumerate(words):
        if word.rpartition("/")[2] == "etl" and (at == 0 or words[at - 1] in ENDS | {"$("}):
            end = next((n for n, w in enumerate(words[at:], at) if w in ENDS), len(words))
            yield words[at + 1 : end]


def understood(words: list[str]) -> None:
    """Fails where there is no such command, option or choice. Values such as files need not be."""
    command: Any = ETL
    context = typer.Context(command, info_name="etl")
    while True:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            given, kind = values.get(parameter.name), parameter.type_descriptor.annotation
            if isinstance(given, str) and get_origin(kind) is Literal:
                assert given in get_args(kind), f"{given} is none of {get_args(kind)}"
            if isinstance(given, str) and kind in {int, float}:
                kind(given)
        if not hasattr(command, "get_command"):
            assert not rest, f"too many words: {rest}"
            return
        if not rest:
            return
        inner = command.get_command(context, rest[0])
        assert inner is not None, f"there is no command '{rest[0]}'"
        command, words = inner, rest[1:]
        context = typer.Context(
            command, parent=context, info_name=rest[0], **command.context_settings
        )


def found_in(page: Path) -> list[tuple[str, list[str]]]:
    text = page.read_text(encoding="utf-8")
    return [(line, words) for line in lines_of(text) for words in commands_in(line)]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != GENERATED], ids=str)
def test_every_command_of_the_page_is_understood(page: Path) -> None:
    for line, words in found_in(page):
        try:
            understood(words)
        except Exception as error:
            pytest.fail(f"{page}: {line}\n{getattr(error, 'message', error)}")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_named_in_a_sentence_exists(page: Path) -> None:
    """Such as `etl trace NAME`: its command, and the options it names."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for named in INLINE.findall(text):
        words = shlex.split(named.replace("...", ""))[1:]
        given = [word for word in words if not word.startswith("[")]
        try:
            understood(given)
        except Exception as error:
            if "requires an argument" not in str(getattr(error, "message", error)):
                pytest.fail(f"{page}: {named}\n{getattr(error, 'message', error)}")


def test_the_commands_are_really_found() -> None:
    words = [words for page in PAGES for _, words in found_in(page)]
    assert len(words) > 60
    assert ["reconcile", "--wait", "60"] in words


@pytest.mark.parametrize(
    "wrong", ["etl refuse", "etl run --quickly", "etl up --trigger never", "etl dlq empty"]
)
def test_a_wrong_command_is_noticed(wrong: str) -> None:
    (words,) = commands_in(wrong)
    with pytest.raises(Exception, match=r"refuse|quickly|never|empty"):
        understood(words)
