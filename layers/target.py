"""The layers' names, and the runtime that they are built for."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AWS_TARGET",
    "LAYERS",
    "OPTIONAL_LAYERS",
    "Architecture",
    "LayerName",
    "RuntimeTarget",
    "host_target",
]

LayerName = Literal["shared", "polars", "postgres", "formats"]
LAYERS: tuple[LayerName, ...] = ("shared", "polars", "postgres")
OPTIONAL_LAYERS: tuple[LayerName, ...] = ("formats",)
"""Layers that a deployment has only where its contract needs them."""
Architecture = Literal["arm64", "x86_64"]


@dataclass(frozen=True, kw_only=True)
class RuntimeTarget:
    """The Python version and processor that functions run on and layers are built for."""

    python: str = field(
        # Lambda supports it until 2029-06.
        default="3.13",
        metadata={
            "key": "runtime.python",
            "text": "Python version of the functions, as major.minor. The layers are built for it, "
            "whatever Python this machine has.",
        },
    )
    architecture: Architecture = field(
        default="arm64",
        metadata={
            "key": "runtime.architecture",
            "text": "Processor of the functions. arm64 costs 20 % less per second.",
        },
    )
    host: bool = False
    """Built for this machine (the laptop's stand-in) rather than for Amazon Linux."""

    @property
    def runtime(self) -> str:
        """Lambda's ``Runtime``."""
        return f"python{self.python}"

    @property
    def label(self) -> str:
        """Short name for folders and tables."""
        where = f"host-{sys.platform}" if self.host else "lambda"
        return f"{where}-py{self.python}-{self.architecture}"


AWS_TARGET = RuntimeTarget()


def host_target() -> RuntimeTarget:
    """Return the target of this machine's own interpreter and processor."""
    arm = platform.machine().lower() in {"arm64", "aarch64"}
    return RuntimeTarget(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        architecture="arm64" if arm else "x86_64",
        host=True,
    )
