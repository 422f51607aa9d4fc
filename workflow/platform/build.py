"""The whole platform template: a pure function of contract and settings."""

from __future__ import annotations

from troposphere import Template

from telemetry.contract import Contract
from workflow.platform.settings import PlatformSettings

__all__ = ["build_platform_template"]


def build_platform_template(contract: Contract, settings: PlatformSettings) -> Template:
    """The template of what only AWS can host, beside the pipeline of ``contract``."""
    template = Template(Description=f"Telemetry ETL: platform of {contract.name}")
    template.set_version("2010-09-09")
    template.set_metadata({"Stack": settings.stack})
    return template
