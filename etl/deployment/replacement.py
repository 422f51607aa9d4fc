"""Which changes make CloudFormation put a new resource in an old one's place, and what that loses.

A change set says so itself. ``create_only.json`` is for where it says nothing: the properties that
CloudFormation's resource schemas list as ``createOnlyProperties`` (schemas of 2026-10-20, as
cfn-lint brings them; a test compares).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

__all__ = ["CREATE_ONLY_FILE", "HOLDS", "create_only", "replaces", "what_is_lost"]

CREATE_ONLY_FILE = Path(__file__).with_name("create_only.json")
HOLDS: dict[str, str] = {
    "AWS::S3::Bucket": "every object in it",
    "AWS::SQS::Queue": "the messages in it",
    "AWS::KMS::Key": "the way to read what it encrypted",
    "AWS::SecretsManager::Secret": "its value",
    "AWS::Logs::LogGroup": "its logs",
    "AWS::RDS::DBInstance": "the database",
    "AWS::RDS::DBCluster": "the database",
    "AWS::IoT::Thing": "the certificates attached to it",
}
"""Types that hold something which no template can bring back, and what."""


@cache
def create_only() -> dict[str, frozenset[str]]:
    """Resource type to the properties that can only be set at its creation."""
    raw = json.loads(CREATE_ONLY_FILE.read_text(encoding="utf-8"))
    return {name: frozenset(properties) for name, properties in raw.items()}


def replaces(resource_type: str, properties: Iterable[str]) -> bool:
    """Whether a change of these properties makes a new resource; false for unknown types."""
    return not create_only().get(resource_type, frozenset()).isdisjoint(properties)


def what_is_lost(resource_type: str, policy: str) -> str:
    """What goes when such a resource is removed or replaced; empty where nothing does.

    ``policy``: its DeletionPolicy, or UpdateReplacePolicy.
    """
    return HOLDS.get(resource_type, "") if policy == "Delete" else ""
