"""Builds the Lambda layers: ``python -m layers.build --python 3.13 --arch arm64``, or ``--host``.

Each layer is what its ``requirements.txt`` pins (with hashes), installed as wheels for the
runtime's Python version and processor, not the builder's, into ``python/`` of a zip; the shared
layer also holds our own package. The same inputs give the same bytes, so a zip is cached in
``.build/`` under a hash of its inputs and built once.

Wheels are fetched once into ``.build/wheels``; from there a layer can be built without a network.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from layers.archive import Entry, files_below, unzipped_bytes, write_zip
from layers.folders import BUILD, INSTALLED
from layers.notify import Notify, silent
from layers.target import AWS_TARGET, LAYERS, OPTIONAL_LAYERS, LayerName, RuntimeTarget, host_target
from telemetry.errors import UserError

__all__ = ["BuiltLayer", "LayerBuildError", "build_layer", "build_layers", "layer_digest"]

LAYERS_FOLDER = Path(__file__).parent
BUILD_FOLDER = BUILD
# Part of the cache key: raise it when the way a layer is built changes.
RECIPE = "1"
# Amazon Linux 2023, the base of the runtimes from Python 3.12 on, has glibc 2.34; older wheels run
# there as well. Python 3.11 runs on Amazon Linux 2 (glibc 2.26).
NEWEST_GLIBC, GLIBC_OF_AMAZON_LINUX_2, OLDEST_GLIBC = 34, 26, 17
PROCESSORS = {"arm64": "aarch64", "x86_64": "x86_64"}
# On the laptop a zip is read once, from memory; there compressing costs more than it saves.
LEVEL_FOR_AWS, LEVEL_FOR_HOST = 6, 1
REMEDY = (
    "A newer version of telemetry-etl may have one."
    if INSTALLED
    else "`make lock` updates the pins."
)
UNUSED_FOLDERS = frozenset({"tests", "docs", "__pycache__"})
# Written by the installer, not by the package, or of no use at run time.
UNUSED_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "py.typed"})
UNUSED_ENDINGS = frozenset({".pyi", ".pyc"})


class LayerBuildError(UserError):
    """Raised when a layer can't be built; the message holds pip's own output and a remedy."""


@dataclass(frozen=True, kw_only=True)
class BuiltLayer:
    """One layer's zip."""

    name: LayerName
    path: Path
    digest: str
    """Hash of everything that went in; it names the zip."""
    unzipped: int
    """Bytes, as Lambda counts them."""

    @property
    def zipped(self) -> int:
        """Bytes of the zip."""
        return self.path.stat().st_size


def build_layers(
    target: RuntimeTarget,
    names: Sequence[LayerName] = LAYERS,
    *,
    folder: Path = BUILD_FOLDER,
    notify: Notify = silent,
) -> dict[LayerName, BuiltLayer]:
    """These layers for this target, from the cache where they are there."""
    return {name: build_layer(name, target, folder=folder, notify=notify) for name in names}


def build_layer(
    name: LayerName,
    target: RuntimeTarget,
    *,
    folder: Path = BUILD_FOLDER,
    notify: Notify = silent,
) -> BuiltLayer:
    """One layer for this target. Raises :class:`LayerBuildError`."""
    digest = layer_digest(name, target)
    path = folder / "layers" / target.label / f"{name}-{digest}.zip"
    if not path.exists():
        notify(f"building the {name} layer for {target.label}")
        wheels = _fetch_wheels(name, target, folder)
        with tempfile.TemporaryDirectory(prefix="layer-") as scratch:
            _install(name, target, wheels, Path(scratch))
            level = LEVEL_FOR_HOST if target.host else LEVEL_FOR_AWS
            write_zip(path, _entries(name, Path(scratch)), level=level)
    return BuiltLayer(name=name, path=path, digest=digest, unzipped=unzipped_bytes(path))


def layer_digest(name: LayerName, target: RuntimeTarget) -> str:
    """Hash of everything that goes into a layer: its pins, our sources, the target, the recipe."""
    digest = hashlib.sha256(f"{RECIPE}\n{name}\n{target.label}\n".encode())
    digest.update(_requirements(name).read_bytes())
    for entry in _own_sources(name):
        digest.update(entry.name.encode() + b"\0" + entry.read() + b"\0")
    return digest.hexdigest()[:16]


def _requirements(name: LayerName) -> Path:
    return LAYERS_FOLDER / name / "requirements.txt"


def _own_sources(name: LayerName) -> list[Entry]:
    if name != "shared":
        return []
    return list(files_below(LAYERS_FOLDER / "shared" / "telemetry", "python/telemetry/"))


def _entries(name: LayerName, installed: Path) -> Iterator[Entry]:
    yield from _own_sources(name)
    for entry in files_below(installed, "python/"):
        parts = entry.name.split("/")
        # Console scripts are for a shell, and a function has none.
        unused = parts[1] == "bin" or UNUSED_FOLDERS & set(parts) or parts[-1] in UNUSED_FILES
        if not unused and Path(entry.name).suffix not in UNUSED_ENDINGS:
            yield entry


def _platform_options(target: RuntimeTarget) -> list[str]:
    """Options by which pip takes wheels for the target; none for this machine itself."""
    if target.host:
        return []
    newest = NEWEST_GLIBC if _minor(target) >= 12 else GLIBC_OF_AMAZON_LINUX_2
    processor = PROCESSORS[target.architecture]
    platforms = [f"manylinux_2_{m}_{processor}" for m in range(newest, OLDEST_GLIBC - 1, -1)]
    platforms.append(f"manylinux2014_{processor}")
    options = ["--python-version", target.python, "--implementation", "cp"]
    return options + [part for platform in platforms for part in ("--platform", platform)]


def _minor(target: RuntimeTarget) -> int:
    return int(target.python.split(".")[1])


def _common_options(name: LayerName, target: RuntimeTarget) -> list[str]:
    return [
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        *_platform_options(target),
        "-r",
        str(_requirements(name)),
    ]


def _fetch_wheels(name: LayerName, target: RuntimeTarget, folder: Path) -> Path:
    """Folder of the pinned wheels, downloaded unless they were before."""
    pins = hashlib.sha256(_requirements(name).read_bytes()).hexdigest()[:16]
    wheels = folder / "wheels" / target.label / f"{name}-{pins}"
    if not wheels.exists():
        wheels.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=wheels.parent, prefix=f"{name}-") as scratch:
            part = Path(scratch) / "wheels"
            _pip("download", "--dest", str(part), *_common_options(name, target))
            try:
                part.rename(wheels)
            except OSError:
                # Another build was faster; its wheels have the same hashes.
                if not wheels.exists():
                    raise
    return wheels


def _install(name: LayerName, target: RuntimeTarget, wheels: Path, into: Path) -> None:
    _pip(
        "install",
        "--no-index",
        "--find-links",
        str(wheels),
        "--no-compile",
        "--target",
        str(into),
        *_common_options(name, target),
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LayerBuildError(
            f"pip could not {arguments[0]} the layer's packages:\n{done.stderr.strip()}\n"
            "Is there a wheel for this Python version and processor, and does the lock file name "
            f"it? {REMEDY}"
        )


def _print_table(layers: list[BuiltLayer], target: RuntimeTarget) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("layer", "zip MB", "unzipped MB", "file", title=target.label)
    for layer in layers:
        table.add_row(
            layer.name, f"{layer.zipped / 1e6:.1f}", f"{layer.unzipped / 1e6:.1f}", str(layer.path)
        )
    Console().print(table)


def main() -> None:
    """Build the layers from the command line."""
    parser = argparse.ArgumentParser(prog="python -m layers.build", description=__doc__)
    parser.add_argument("--python", default=AWS_TARGET.python, help="version, such as 3.13")
    parser.add_argument("--arch", default=AWS_TARGET.architecture, choices=sorted(PROCESSORS))
    parser.add_argument("--host", action="store_true", help="for this machine's own interpreter")
    parser.add_argument("--folder", type=Path, default=BUILD_FOLDER, help="where zips are kept")
    options = parser.parse_args()
    aws = RuntimeTarget(python=options.python, architecture=options.arch)
    target = host_target() if options.host else aws
    try:
        names = (*LAYERS, *OPTIONAL_LAYERS)
        layers = build_layers(target, names, folder=options.folder, notify=print)
        _print_table(list(layers.values()), target)
    except (LayerBuildError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
