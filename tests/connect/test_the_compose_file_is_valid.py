"""examples/docker: a reader of the compose specification takes it. No Docker runs here."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from etl.cli.main import app

pytestmark = pytest.mark.slow
FILE = Path("examples/docker/compose.yaml")
PROGRAM = Path(__file__).parent / "programs" / "read_compose.py"


def read(tools: Path, file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(tools / "python"), str(PROGRAM), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_is_valid_and_all_that_it_refers_to_is_there(tools: Path) -> None:
    done = read(tools, FILE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for service in found["services"].values():
        assert service["network_mode"] == "host"
        named = {one.partition(":")[0] for one in service["volumes"] if not one.startswith(".")}
        assert named <= found["volumes"].keys()
        assert {one["source"] for one in service.get("configs", ())} <= found["configs"].keys()
        assert service.get("depends_on", {}).keys() <= found["services"].keys()


def test_a_wrong_field_would_be_noticed(tools: Path, tmp_path: Path) -> None:
    for right, wrong in (("network_mode", "network_mod"), ("service_healthy", "healthy")):
        file = tmp_path / "compose.yaml"
        file.write_text(FILE.read_text().replace(right, wrong))
        assert read(tools, file).returncode != 0, wrong


def test_each_command_in_it_exists() -> None:
    text = FILE.read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("etl ")]
    assert len(lines) == 2
    for line in lines:
        words = [word for word in shlex.split(line.partition("||")[0]) if word != "etl"]
        group = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
        command = getattr(group, "commands", {}).get(words[1] if words[1:] else "", group)
        options = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= options
