"""What pyproject.toml can't say: how the wheel is laid out.

The repository has eight import packages side by side, and ``pip install -e .`` shows them as they
are. On a user's machine names such as ``functions`` or ``local`` may belong to another project, so
the wheel has one import package, ``etl``, and the others below ``etl/_packages``, laid out as in
the repository with the files that the commands read: ``etl/__init__.py`` puts that folder on the
path.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
EDITABLE = bool({"editable_wheel", "develop"} & set(sys.argv))
SHARED = "layers/shared"
CARRIED = {
    "contracts": ("**/*",),
    "dashboard": ("**/*.py", "templates/*.html", "static/**/*"),
    "docs": ("*.md",),
    "examples": ("**/*",),
    "functions": ("**/*",),
    "infrastructure": ("**/*",),
    "layers": ("**/*",),
    "local": ("**/*",),
    "notebooks": ("*.ipynb", "*.mplstyle"),
    "requirements": ("emulator.txt", "pgadmin.txt", "pgadmin-build.txt"),
    "workflow": ("**/*",),
}
"""Files that lie below ``etl/_packages``, by their folder in the repository."""
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache"}


def carried_files() -> list[Path]:
    """Files that go below ``etl/_packages``, relative to the repository."""
    found = {
        path.relative_to(ROOT)
        for folder, patterns in CARRIED.items()
        for pattern in patterns
        for path in (ROOT / folder).glob(pattern)
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }
    return sorted(found)


class OnePackage(build_py):
    """Copies the other packages and the files that go with them below ``etl/_packages``."""

    def run(self) -> None:
        """Build; a file of an earlier build that is gone now must not get in."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for file in [] if self.editable_mode else carried_files():
            target = Path(self.build_lib) / "etl" / "_packages" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, target)


def packages() -> list[str]:
    """Every package, for an editable install; the wheel's own."""
    if not EDITABLE:
        return find_namespace_packages(include=["etl", "etl.*"], exclude=["etl._packages*"])
    others = [name for name in CARRIED if (ROOT / name / "__init__.py").exists()]
    include = [p for name in ("etl", "telemetry", *others) for p in (name, f"{name}.*")]
    return [
        name for where in (".", SHARED) for name in find_namespace_packages(where, include=include)
    ]


setup(
    cmdclass={"build_py": OnePackage},
    options={"build": {"build_base": ".build/wheel"}},
    packages=packages(),
    package_dir={"telemetry": f"{SHARED}/telemetry"} if EDITABLE else {},
)
