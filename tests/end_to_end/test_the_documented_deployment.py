"""docs/deploy.md, command by command against the stand-ins; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli import context
from etl.cli.main import app
from local.stack import stop
from tests.fixtures.local import state_folder
from tests.fixtures.wait_lines import without_wait_lines

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "deploy.md"
BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
COLUMN = '\n[columns.co2_ppm]\nfrom = "co2"\ntype = "integer"\nunit = "ppm"\n'
MOST_RESOURCES = 2
"""Of the lines that tell of finished resources; the page shows no more."""

pytestmark = pytest.mark.slow


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the two contracts, and no stand-ins yet."""
    (tmp_path / "contracts").mkdir()
    fleet = (ROOT / "contracts" / "fleet.toml").read_text(encoding="utf-8")
    (tmp_path / "contracts" / "fleet.toml").write_text(fleet, encoding="utf-8")
    (tmp_path / "fleet-co2.toml").write_text(fleet + COLUMN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for console in (context.console, context.notes):
        monkeypatch.setattr(console, "_width", 100)
    with state_folder() as folder:
        monkeypatch.setenv("ETL_STATE", str(folder))
        try:
            yield folder
        finally:
            stop(folder)


def normalized(text: str) -> str:
    """The output with everything that differs from one run to the next put aside."""
    # Layers are built where they aren't cached yet.
    text = re.sub(r"• building the \w+ layer for \S+\n", "", text)
    text = re.sub(r"/\S*telemetry state \S+/state\b", ".local", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:4566", text)
    digests: dict[str, str] = {}
    for found in re.findall(r"-([0-9a-f]{16})(?=\.zip)", text):
        digests.setdefault(found, f"{len(digests) + 1:016x}")
    for digest, stand_in in digests.items():
        text = text.replace(digest, stand_in)
    text = re.sub(r"(?<=databucket-)[0-9a-f]{13}", "4de761ea2be66", text)
    text = re.sub(r"(?<=-TelemetryQueue-)[0-9A-F]{12}", "A202497998CE", text)
    # Sizes follow the code, and the host's own wheels.
    text = re.sub(r"(functions/\S+) [\d.]+ [kM]B", r"\1 12.3 kB", text)
    text = re.sub(r"(layers/\S+) [\d.]+ [kM]B", r"\1 12.3 MB", text)
    text = re.sub(r"(7 zips), [\d.]+ [kM]B", r"\1, 86.1 kB", text)
    text = re.sub(r"(10 zips), [\d.]+ [kM]B", r"\1, 45.6 MB", text)
    text = re.sub(r"Python 3\.\d+ on \w+", "Python 3.13 on arm64", text)
    text = re.sub(r"(?<=valid until )\d{4}-\d\d-\d\d", "2027-11-29", text)
    return "\n".join(_shortened(line.rstrip() for line in text.rstrip().splitlines()))


def _shortened(lines: Iterator[str]) -> Iterator[str]:
    finished = 0
    for line in lines:
        finished = finished + 1 if re.match(r"  [✓-] \w+$", line) else 0
        if finished <= MOST_RESOURCES:
            yield line
        elif finished == MOST_RESOURCES + 1:
            yield "  ..."


def run(command: str) -> str:
    """What a command prints, on both of its streams."""
    program, *arguments = shlex.split(command)
    assert program == "etl"
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    output = without_wait_lines(result.output)
    if arguments[0] == "deploy":
        # It shows the plan first, which the page has once.
        output = re.sub(r"(?s)stack telemetry: .*changed yet\.", "(the plan, as above)", output)
    status = f"\n(exit status {result.exit_code})" if result.exit_code else ""
    return normalized(output) + status


def shown(block: str) -> str:
    lines = []
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        lines += [f"$ {command}", run(command)]
    return "\n".join(line for line in lines if line) + "\n"


def test_the_page_shows_what_the_commands_print(state: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = BLOCK.sub(lambda match: shown(match[1]), page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, (
        "docs/deploy.md is not what the commands print now. Where the change is meant, run the "
        "test with UPDATE_GOLDEN=1 and review the difference."
    )
    assert "co2_ppm" in wanted
    assert "Nothing would change." in wanted
