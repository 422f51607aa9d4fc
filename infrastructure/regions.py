"""Resource types that CloudFormation does not have in a region.

CloudFormation refuses a whole template for one type that the region lacks, even where a condition
leaves the resource out. ``regions.json`` has the regions and the types of our templates that each
lacks: the resource schemas of 2026-10-20, as cfn-lint has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from infrastructure.platform.settings import PlatformSettings

__all__ = ["BUDGET", "PROVISIONING", "QUICKSIGHT", "REGIONS_FILE", "lacking", "region_problems"]

REGIONS_FILE = Path(__file__).with_name("regions.json")
BUDGET = "AWS::Budgets::Budget"
QUICKSIGHT = "AWS::QuickSight::"
PROVISIONING = "AWS::IoT::ProvisioningTemplate"


@cache
def _regions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(REGIONS_FILE.read_text(encoding="utf-8"))
    return found


def lacking(region: str, kind: str) -> bool:
    """True where the region lacks a type that begins with ``kind``; an unknown region lacks none.

    The emulator's region is any; a region that is newer than the list is judged by CloudFormation.
    """
    return any(missing.startswith(kind) for missing in _regions().get(region, ()))


def region_problems(
    region: str, platform: PlatformSettings | None, *, fleet_provisioning: bool = False
) -> Iterator[str]:
    """Yield a sentence for each thing that these settings ask of a region that lacks it."""
    if region not in _regions():
        near = get_close_matches(region, _regions(), n=1)
        yield f"region: {region!r} is not a region of AWS" + (
            f": did you mean {near[0]}?" if near else f": {', '.join(_regions())}"
        )
        return
    if fleet_provisioning and lacking(region, PROVISIONING):
        yield (
            f"devices.fleet_provisioning can't be used in {region}: its CloudFormation has no "
            f"{PROVISIONING}"
        )
    if platform is None:
        return
    optional = (
        ("monthly_budget", platform.monthly_budget > 0, BUDGET),
        ("quicksight_user", bool(platform.quicksight_user), QUICKSIGHT),
    )
    for setting, used, kind in optional:
        if used and lacking(region, kind):
            service = kind.split("::")[1]
            yield (
                f"platform.{setting} can't be used in {region}: its CloudFormation has no "
                f"resources of {service}"
            )
    for kind in _regions()[region]:
        if not kind.startswith((BUDGET, PROVISIONING, QUICKSIGHT)):
            yield (
                f"[platform] can't be used in {region}: its CloudFormation has no {kind}. Leave "
                "the part out, and enter [database] and [network] of your own"
            )
