"""The functions that there are: the list that packaging, definition and template read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from layers.target import LayerName

__all__ = ["FUNCTIONS", "NOTIFY", "PROVISION", "FunctionSpec", "function", "functions_of"]


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One Lambda function."""

    name: str
    package: str
    """Folder under ``functions/``; two functions may share one zip."""
    entry: str
    """Name in ``functions.<package>.handler``."""
    layers: tuple[LayerName, ...]
    memory: int
    """MB. CPU grows with it: 1,769 MB is one full core."""
    timeout: int
    """Seconds."""
    optional_layers: tuple[LayerName, ...] = ()
    """Layers that it has where the deployment has them."""
    answer: int = 0
    """Bytes of its longest answer to the state machine; 0 where it isn't a step of it. S3 keys have
    1,024 bytes at most, so references are bounded; tests hold the functions to it."""
    database: bool = False
    """True where it connects to PostgreSQL: it gets the database settings and any VPC."""

    @property
    def handler(self) -> str:
        """Lambda's ``Handler``."""
        return f"functions.{self.package}.handler.{self.entry}"

    def layers_among(self, present: Iterable[str]) -> tuple[LayerName, ...]:
        """Its layers in a deployment that has these."""
        found = frozenset(present)
        return (*self.layers, *(layer for layer in self.optional_layers if layer in found))

    @property
    def title(self) -> str:
        """Name in PascalCase, for logical ids."""
        return self.name.title()


FUNCTIONS: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        name="extract",
        package="extract",
        entry="drain",
        layers=("shared",),
        memory=512,
        answer=8192,
        timeout=120,
    ),
    # The queue's visibility timeout is six times this one.
    FunctionSpec(
        name="stage", package="extract", entry="stage", layers=("shared",), memory=512, timeout=30
    ),
    FunctionSpec(
        name="transform",
        package="transform",
        entry="handle",
        layers=("shared", "polars"),
        optional_layers=("formats",),
        memory=2048,
        answer=8192,
        timeout=60,
    ),
    FunctionSpec(
        name="validate",
        package="validate",
        entry="handle",
        layers=("shared",),
        memory=256,
        answer=8192,
        timeout=15,
    ),
    FunctionSpec(
        name="load",
        package="load",
        entry="handle",
        layers=("shared", "postgres"),
        memory=512,
        answer=2048,
        timeout=75,
        database=True,
    ),
    FunctionSpec(
        name="summarize",
        package="summarize",
        entry="handle",
        layers=("shared",),
        memory=256,
        answer=16384,
        timeout=60,
    ),
    FunctionSpec(
        name="sweep",
        package="sweep",
        entry="handle",
        layers=("shared",),
        memory=512,
        timeout=300,
    ),
    FunctionSpec(
        name="migrate",
        package="migrate",
        entry="handle",
        layers=("shared", "postgres"),
        memory=256,
        # A rebuild of rollups takes all of it, and then as many calls more as are needed.
        timeout=300,
        database=True,
    ),
)


PROVISION = FunctionSpec(
    name="provision",
    package="provision",
    entry="handle",
    layers=("shared",),
    # AWS IoT gives up after five seconds, and devices register rarely: each start is a cold one.
    memory=1024,
    timeout=5,
)
"""The hook of fleet provisioning; a deployment has it only where that is switched on."""


NOTIFY = FunctionSpec(
    name="notify",
    package="notify",
    entry="handle",
    layers=("shared",),
    memory=256,
    # Longer than functions.notify.delivery.DEADLINE_SECONDS, plus the reads before it.
    timeout=60,
)
"""Posts notifications to channels; a deployment has it only where that is switched on."""


def functions_of(*, fleet_provisioning: bool, channels: bool) -> tuple[FunctionSpec, ...]:
    """The functions of a deployment."""
    optional = ((PROVISION, fleet_provisioning), (NOTIFY, channels))
    return (*FUNCTIONS, *(spec for spec, wanted in optional if wanted))


def function(name: str) -> FunctionSpec:
    """The function of that name. Raises ``KeyError`` where there is none."""
    for spec in functions_of(fleet_provisioning=True, channels=True):
        if spec.name == name:
            return spec
    raise KeyError(name)
