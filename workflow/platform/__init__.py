"""The second, optional template: what only AWS can host, beside the pipeline's own stack."""

from workflow.platform.build import build_platform_template
from workflow.platform.handover import core_settings, given_core
from workflow.platform.settings import PlatformSettings, PlatformSettingsError, check_settings

__all__ = [
    "PlatformSettings",
    "PlatformSettingsError",
    "build_platform_template",
    "check_settings",
    "core_settings",
    "given_core",
]
