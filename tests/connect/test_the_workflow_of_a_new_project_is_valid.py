"""The schema of GitHub's workflows accepts what `etl init` writes, and the example."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etl.new_project.create import create_project

pytestmark = pytest.mark.slow


def validate(tools: Path, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", file],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    create_project(tmp_path / "plant")
    return tmp_path / "plant" / ".github" / "workflows" / "pipeline.yml"


def test_the_schema_accepts_it(tools: Path, workflow: Path) -> None:
    done = validate(tools, workflow)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_accepts_the_example(tools: Path) -> None:
    done = validate(tools, Path("examples/github-actions/pipeline.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_key_that_github_does_not_know(tools: Path, workflow: Path) -> None:
    workflow.write_text(workflow.read_text().replace("    needs: test\n", "    neds: test\n"))
    done = validate(tools, workflow)
    assert done.returncode == 1, done.stderr
    assert "neds" in done.stdout
