"""The check of words finds them where a reader meets them, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit.words import ROOT, Lists, find_in, main, read_lists

WORDS = {"mend(s|ed)?": "fix", "is no object": "is not an object", "told": "reported"}

LISTS = Lists(WORDS, places=(), fragments="What|Whether")


def found(name: str, text: str) -> list[tuple[int, str]]:
    return [(one.line, one.word) for one in find_in(Path(name), text, LISTS)]


def test_a_sentence_of_a_page_is_read_across_its_lines() -> None:
    assert found("page.md", "one\nthat is no\nobject") == [(2, "is no object")]
    assert found("page.md", "Mended, and amended.") == [(1, "Mended")]


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ etl mend\n```",
        "the function `mend`",
        "[a page](how-to.md#what-is-told)",
        "<!-- test: deploy the mended contract -->",
        "![a picture](images/told.png)",
    ],
)
def test_code_links_and_comments_of_a_page_are_left_alone(text: str) -> None:
    assert found("page.md", text) == []


def test_what_stands_around_code_is_read() -> None:
    assert found("page.md", "```sh\nmend\n```\nmend `told` told") == [(4, "mend"), (4, "told")]


def test_a_template_is_read_without_its_tags_and_jinja() -> None:
    text = '<p class="told" title="mend it">{{ told }}{% if mend %}\nmended{# told #}</p>'
    assert found("page.html", text) == [(1, "mend"), (2, "mended")]


def test_messages_docstrings_and_comments_of_python_are_read_and_names_and_code_are_not() -> None:
    text = '''
"""It is told by ``told``."""
told = {"told": f"mend {told} it"}  # mend `mend`

def mended(told: int) -> str:
    """Mended."""
    return "it was " "told"
'''
    assert sorted(found("module.py", text)) == [
        (2, "told"),
        (3, "mend"),
        (3, "mend"),
        (6, "Mended"),
        (7, "told"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '"""What a module does."""',
        'class A:\n    """Whether it is."""',
        'class A:\n    def _b(self):\n        """Whether it is."""',
        'b = 1\n"""What b is."""',
    ],
)
def test_a_docstring_is_not_a_fragment(text: str) -> None:
    assert [word for _, word in found("module.py", text)] in (["What"], ["Whether"])
    assert found("module.py", text.replace("What ", "Whatever ").replace("Whether", "True")) == []
    assert found("page.md", "Whether it is.") == []


def test_every_word_of_the_list_is_a_pattern_with_a_better_one_that_the_list_allows() -> None:
    words = read_lists().words
    assert len(words) > 40
    for word, better in words.items():
        assert re.compile(word)
        assert better
        assert not list(find_in(Path("x.toml"), better, Lists({word: ""}, (), "-"))), word


def test_every_place_of_the_list_exists_and_stands_once() -> None:
    places = read_lists().places
    assert len(places) == len(set(places))
    assert [name for name in places if not (ROOT / name).exists()] == []


def test_a_place_with_a_word_of_the_list_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.words.ROOT", tmp_path)
    (tmp_path / "page.md").write_text("Mend it.\n")
    assert main(["page.md"]) == 1
    assert capsys.readouterr().out == "page.md:1: 'Mend': write fix, fixed; correct, corrected\n"
    (tmp_path / "page.md").write_text("Fix it.\n")
    assert main(["page.md"]) == 0
