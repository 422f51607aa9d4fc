"""docs/threat-model.md names a test for each threat, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.test_the_guarantees_are_proved import PROOF, functions_in

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
KINDS = {"spoofing", "tampering", "repudiation", "disclosure", "denial", "elevation"}
ROWS = re.findall(r"^\| (\w+) \| (.+?) \| .+? \| (.*) \|$", PAGE, re.MULTILINE)[1:]


@pytest.mark.parametrize(("name", "path"), sorted(set(PROOF.findall(PAGE))))
def test_every_test_that_is_named_exists(name: str, path: str) -> None:
    assert name in functions_in(path)


@pytest.mark.parametrize(("threat", "proof"), [(threat, proof) for _, threat, proof in ROWS])
def test_every_threat_has_a_proof(threat: str, proof: str) -> None:
    assert PROOF.search(proof), threat


def test_threats_of_every_kind_are_thought_of() -> None:
    assert {kind for kind, _, _ in ROWS} == KINDS


def test_links_between_the_pages_hold() -> None:
    for page, folder in ((PAGE, ROOT / "docs"), (SECURITY, ROOT)):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page):
            assert (folder / target).exists(), target
    assert "## Permissions\n" in PAGE
