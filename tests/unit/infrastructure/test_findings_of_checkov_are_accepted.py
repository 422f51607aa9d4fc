"""Findings of checkov that are accepted; ``make audit`` checks that it has no others."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("part", ["core", "platform"])
def test_every_accepted_finding_has_its_reason(templates, part):
    for name, resource in templates[part]["Resources"].items():
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", ()):
            assert len(skipped["comment"].split()) >= 5, (name, skipped["id"])
