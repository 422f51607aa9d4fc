"""The second, optional template: what only AWS can host, beside the pipeline's own stack."""

from infrastructure.platform.build import build_platform_template
from infrastructure.platform.rules import PlatformSettingsError, check_settings
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import core_settings, given_core

__all__ = [
    "PlatformSettings",
    "PlatformSettingsError",
    "build_platform_template",
    "check_settings",
    "core_settings",
    "given_core",
]
