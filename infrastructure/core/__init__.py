"""The CloudFormation template, one module for each concern; see :func:`build_template`."""

from infrastructure.core.build import Artifacts, build_template, template_json

__all__ = ["Artifacts", "build_template", "template_json"]
