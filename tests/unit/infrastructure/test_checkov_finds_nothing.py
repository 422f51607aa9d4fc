"""checkov over both templates, from the environment that ``make audit`` makes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CHECKOV = Path(".audit-venv/bin/checkov")


@pytest.mark.slow
@pytest.mark.skipif(not CHECKOV.exists(), reason="`make audit` has not made .audit-venv yet")
@pytest.mark.parametrize("part", ["core", "platform"])
def test_checkov_finds_nothing(templates, part, tmp_path):
    file = tmp_path / f"{part}.json"
    file.write_text(json.dumps(templates[part]))
    done = subprocess.run(
        [CHECKOV.absolute(), "-f", file, "--framework", "cloudformation", "-o", "json",
         "--compact", "--quiet", "--skip-download"],
        capture_output=True, text=True, check=False, env={**os.environ, "LOG_LEVEL": "CRITICAL"},
    )  # fmt: skip
    report = json.loads(done.stdout)
    summary = report["summary"]
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0), report["results"]
    assert summary["passed"] > 50


@pytest.mark.parametrize("part", ["core", "platform"])
def test_every_accepted_finding_has_its_reason(templates, part):
    for name, resource in templates[part]["Resources"].items():
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", ()):
            assert len(skipped["comment"].split()) >= 5, (name, skipped["id"])
