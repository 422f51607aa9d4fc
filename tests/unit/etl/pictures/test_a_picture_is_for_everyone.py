"""Well-formed, self-contained, the same each time, legible in light and dark, told in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from etl.pictures.gantt import gantt_svg
from etl.pictures.machine import machine_svg
from etl.pictures.progress import ExecutionProgress, ItemCounts, StepProgress
from etl.pictures.states import read_machine
from etl.pictures.svg import COLOURS, shorten, text_width
from tests.unit.etl.pictures.machines import everything, ours, task

SVG = "{http://www.w3.org/2000/svg}"


def progress(**steps: StepProgress) -> ExecutionProgress:
    named = {name.replace("_", " "): step for name, step in steps.items()}
    return ExecutionProgress(
        "run-7", "failed", datetime(2026, 11, 1, tzinfo=UTC), 3.2, "Boom", steps=named
    )


PICTURES = {
    "ours": machine_svg(ours()),
    "everything": machine_svg(everything()),
    "execution": machine_svg(ours(), progress(Extract=StepProgress("failed", error="Boom"))),
    "trace": gantt_svg(
        {
            "trace_id": "1-2-3",
            "spans": [{"name": "m", "depth": 0, "start": 0.0, "end": 2.0, "fault": False}],
        }
    ),
}


@pytest.mark.parametrize("svg", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_needs_nothing_but_itself(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script")) + list(root.iter(f"{SVG}image"))
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in svg


def test_a_screen_reader_hears_every_state_and_what_follows() -> None:
    root = ElementTree.fromstring(PICTURES["ours"])
    title, describe = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert title is not None
    assert describe is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {describe.get('id')}"
    for step in read_machine(ours()).every_step():
        assert f"{step.name} (" in (describe.text or "")
    assert "Transform (Lambda · transform): to Validate; on an error to Record failure." in (
        describe.text or ""
    )


def test_a_screen_reader_hears_how_an_execution_went() -> None:
    text = machine_svg(
        ours(),
        progress(
            Extract=StepProgress("succeeded", 1.25, retries=2),
            Load_batches=StepProgress("failed", error="States.Timeout", counts=ItemCounts(3, 1, 2)),
        ),
    )
    assert "Execution run-7: failed after 3.20 s." in text
    assert "[succeeded, 1.25 s · 2 retries]" in text
    assert "[failed, 3 succeeded, 1 failed, 2 running, States.Timeout]" in text
    assert "Nothing to do (Success): ends [not reached]." in text


def test_the_same_machine_gives_the_same_picture_and_another_another_id() -> None:
    assert machine_svg(ours()) == PICTURES["ours"]
    ids = [re.search(r' id="(\w+)"', svg)[1] for svg in PICTURES.values()]  # type: ignore[index]
    assert len(set(ids)) == len(ids)


def test_rules_of_one_picture_never_reach_another() -> None:
    for svg in PICTURES.values():
        identity = re.search(r' id="(\w+)"', svg)[1]  # type: ignore[index]
        style = ElementTree.fromstring(svg).findtext(f"{SVG}style") or ""
        selectors = re.findall(r"([#.][\w-]+ ?[#.\w-]*)\{", style)
        assert selectors
        assert all(selector.startswith(f"#{identity} ") for selector in selectors)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("text", "paper"),
        ("muted", "paper"),
        ("muted", "container"),
        *((s, "paper") for s in ("failed", "caught", "accent")),
        *(("text", f"{s}-box") for s in ("succeeded", "failed", "running", "caught", "stopped")),
        *((s, f"{s}-box") for s in ("failed", "caught", "stopped")),
    ],
)
def test_text_stands_out_in_light_and_dark(ink: str, paper: str, mode: int) -> None:
    """WCAG 2.2, level AA: 4.5 to 1."""
    assert contrast(COLOURS[ink][mode], COLOURS[paper][mode]) >= 4.5


def test_a_status_is_reported_by_shape_as_well_as_by_colour() -> None:
    shapes = {}
    for status in ("succeeded", "failed", "caught", "running", "stopped"):
        svg = machine_svg(ours(), progress(Extract=StepProgress(status)))  # type: ignore[arg-type]
        group = next(
            g
            for g in ElementTree.fromstring(svg).iter(f"{SVG}g")
            if (g.findtext(f"{SVG}title") or "").startswith("Extract (")
        )
        sign = group.find(f"{SVG}g")
        assert sign is not None
        shapes[status] = tuple(path.get("d") for path in sign.iter(f"{SVG}path"))
    assert len(set(shapes.values())) == len(shapes)


def test_odd_names_and_messages_do_no_harm() -> None:
    name = 'A <b>"bold"</b> & \x00 \ue000 name'
    svg = machine_svg({"StartAt": name, "States": {name: task(End=True)}})
    assert "<b>" not in svg
    assert ElementTree.fromstring(svg).findtext(f"{SVG}title") == "State machine"


def test_long_text_is_cut_to_its_room() -> None:
    text = shorten("a very long name of a state " * 5, 120, 13)
    assert text.endswith("…")
    assert text_width(text, 13) <= 120
    assert shorten("short", 120, 13) == "short"
