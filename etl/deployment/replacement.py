"""Decides which changes make CloudFormation replace a resource, and what that loses.

A change set reports replacements itself. Where there is none, ``create_only.json`` decides: the
properties that CloudFormation's resource schemas list as ``createOnlyProperties`` (schemas of
2026-10-20, as cfn-lint has them; a test compares).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

__all__ = ["CONTENTS", "CREATE_ONLY_FILE", "create_only", "lost_contents", "replaces"]

CREATE_ONLY_FILE = Path(__file__).with_name("create_only.json")
CONTENTS: dict[str, str] = {
    "AWS::S3::Bucket": "every object in it",
    "AWS::SQS::Queue": "the messages in it",
    "AWS::KMS::Key": "the way to read what it encrypted",
    "AWS::SecretsManager::Secret": "its value",
    "AWS::Logs::LogGroup": "its logs",
    "AWS::RDS::DBInstance": "the database",
    "AWS::RDS::DBCluster": "the database",
    "AWS::IoT::Thing": "the certificates attached to it",
}
"""Contents, by resource type, that no template can restore."""


@cache
def create_only() -> dict[str, frozenset[str]]:
    """Return the properties that can only be set at creation, by resource type."""
    raw = json.loads(CREATE_ONLY_FILE.read_text(encoding="utf-8"))
    return {name: frozenset(properties) for name, properties in raw.items()}


def replaces(resource_type: str, properties: Iterable[str]) -> bool:
    """Return whether changing these properties replaces the resource; false for unknown types."""
    return not create_only().get(resource_type, frozenset()).isdisjoint(properties)


def lost_contents(resource_type: str, policy: str) -> str:
    """Describe what is lost when such a resource is removed or replaced; empty where nothing is.

    ``policy``: its DeletionPolicy, or UpdateReplacePolicy.
    """
    return CONTENTS.get(resource_type, "") if policy == "Delete" else ""
