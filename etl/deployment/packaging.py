"""Packages function zips and layers, named by their contents, within Lambda's limits.

A function's zip holds ``functions/__init__.py``, its own package and the deployment's
``contract.toml``, with further ones in folders; everything it shares with others is in layers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.authoring.own_decoders import check_decoder
from etl.authoring.regular_expressions import check_expressions
from etl.authoring.units import resolve_units
from etl.deployment.pipeline_contracts import read_contracts
from functions.inventory import FUNCTIONS, FunctionSpec, functions_of
from infrastructure.core.build import Artifacts
from infrastructure.settings import DATABASE_CA
from layers.archive import Entry, files_below, unzipped_bytes, write_zip
from layers.build import BUILD_FOLDER, BuiltLayer, build_layers
from layers.folders import ROOT
from layers.notify import Notify, silent
from layers.target import LAYERS, OPTIONAL_LAYERS, LayerName, RuntimeTarget
from telemetry.contract import Contract
from telemetry.contract.conversions import UNITS_FILE, dump_conversions, needs_conversions
from telemetry.contract.files import FILES_FOLDER, FURTHER_FOLDER
from telemetry.contract.formats import LIBRARY_FORMATS
from telemetry.errors import UserError
from workflow.limits import LAYERS_PER_FUNCTION, UNZIPPED

__all__ = ["FunctionZip", "PackageError", "Packages", "build_function", "build_packages"]

FUNCTIONS_FOLDER = ROOT / "functions"
LEVEL = 9
EVERY_FUNCTION = functions_of(fleet_provisioning=True, channels=True)


class PackageError(UserError):
    """Raised where Lambda would reject a function for its size; lists every such function."""


@dataclass(frozen=True, kw_only=True)
class FunctionZip:
    """The zip of one package under ``functions/``."""

    package: str
    path: Path
    digest: str
    unzipped: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """All zips of one deployment."""

    functions: dict[str, FunctionZip]
    layers: dict[LayerName, BuiltLayer]

    @property
    def artifacts(self) -> Artifacts:
        """The zips' keys in the artifact bucket."""
        return Artifacts(
            functions={
                name: f"functions/{name}-{zipped.digest}.zip"
                for name, zipped in self.functions.items()
            },
            layers={name: f"layers/{layer.path.name}" for name, layer in self.layers.items()},
        )

    @property
    def uploads(self) -> dict[str, Path]:
        """Files to upload, by key."""
        keys = self.artifacts
        return {
            **{keys.layers[name]: layer.path for name, layer in self.layers.items()},
            **{keys.functions[name]: zipped.path for name, zipped in self.functions.items()},
        }

    def unzipped(self, spec: FunctionSpec) -> int:
        """Return the bytes of a function and its layers, as Lambda counts them."""
        layers = sum(self.layers[layer].unzipped for layer in spec.layers_among(self.layers))
        return self.functions[spec.package].unzipped + layers

    def problems(self) -> list[str]:
        """Describe what Lambda would reject, one sentence each."""
        problems = []
        for spec in (one for one in EVERY_FUNCTION if one.package in self.functions):
            size, layers = self.unzipped(spec), spec.layers_among(self.layers)
            if size > UNZIPPED.most:
                problems.append(
                    f"{spec.name}: {size:,} bytes unzipped with its layers "
                    f"{', '.join(layers)}; {UNZIPPED.most:,} at most"
                )
            if len(layers) > LAYERS_PER_FUNCTION.most:
                problems.append(
                    f"{spec.name}: {len(layers)} layers, {LAYERS_PER_FUNCTION.most} at most"
                )
        return problems


def build_packages(
    contracts: Sequence[Path],
    target: RuntimeTarget,
    *,
    ca_file: Path | None = None,
    functions: Sequence[FunctionSpec] = FUNCTIONS,
    folder: Path = BUILD_FOLDER,
    notify: Notify = silent,
) -> Packages:
    """Build all zips of these functions for one target; ``contracts``: the first one first.

    Raises ``ContractError``, ``LayerBuildError`` or ``PackageError``.
    """
    connecting = {spec.package for spec in functions if spec.database}
    packages = Packages(
        functions={
            name: build_function(
                name, contracts, ca_file=ca_file if name in connecting else None, folder=folder
            )
            for name in sorted({spec.package for spec in functions})
        },
        layers=build_layers(target, _layers_for(contracts), folder=folder, notify=notify),
    )
    problems = packages.problems()
    if problems:
        raise PackageError("Lambda would reject:\n  " + "\n  ".join(problems))
    return packages


def build_function(
    package: str,
    contracts: Sequence[Path],
    *,
    ca_file: Path | None = None,
    folder: Path = BUILD_FOLDER,
) -> FunctionZip:
    """Build the zip of one package with these contracts, or take it from the cache.

    ``ca_file`` holds the authorities that the database's certificate is verified with; it goes
    into the zip, too.
    """
    entries = [
        *_contract_entries(contracts),
        Entry("functions/__init__.py", FUNCTIONS_FOLDER / "__init__.py"),
        *files_below(FUNCTIONS_FOLDER / package, f"functions/{package}/"),
        *([Entry(DATABASE_CA, ca_file)] if ca_file is not None else []),
    ]
    digest = _digest(entries)
    path = folder / "functions" / f"{package}-{digest}.zip"
    if not path.exists():
        write_zip(path, entries, level=LEVEL)
    return FunctionZip(package=package, path=path, digest=digest, unzipped=unzipped_bytes(path))


def _layers_for(contracts: Sequence[Path]) -> tuple[LayerName, ...]:
    """The layers of a deployment: libraries of formats where one of its contracts needs any."""
    formats = {name for contract in read_contracts(contracts) for name in contract.formats}
    return LAYERS if formats.isdisjoint(LIBRARY_FORMATS) else (*LAYERS, *OPTIONAL_LAYERS)


def _contract_entries(contracts: Sequence[Path]) -> Iterator[Entry]:
    """The contracts with their companions: the first one at the root, where
    ``telemetry.contract.load_contracts`` expects it, each further one in a folder of its own."""
    for place, (file, contract) in enumerate(
        zip(contracts, read_contracts(contracts), strict=True)
    ):
        folder = f"{FURTHER_FOLDER}/{place:02}-{contract.name}/" if place else ""
        yield Entry(f"{folder}contract.toml", file)
        yield from _companions(contract, folder)


def _companions(contract: Contract, folder: str) -> Iterator[Entry]:
    """The files that the contract names, and one of its unit conversions where it has any.

    Raises ``ContractError`` for what would otherwise fail at run time: a pattern, a unit, a file.
    """
    check_expressions(contract)
    check_decoder(contract)
    for file in contract.files:
        yield Entry(f"{folder}{FILES_FOLDER}/{file.name}", file.content)
    if needs_conversions(contract):
        yield Entry(f"{folder}{UNITS_FILE}", dump_conversions(resolve_units(contract)))


def _digest(entries: list[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: entry.name):
        content = entry.read()
        digest.update(f"{entry.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
