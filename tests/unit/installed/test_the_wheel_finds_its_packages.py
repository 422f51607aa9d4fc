"""A wheel's packages lie in ``etl/_packages``: importing ``etl`` finds them, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import etl

NAMES = etl.PACKAGES


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder with our ``etl`` and packages that are empty but for their names."""
    folder = tmp_path / "site"
    (folder / "etl").mkdir(parents=True)
    shutil.copy(str(etl.__file__), folder / "etl" / "__init__.py")
    for name in NAMES:
        below = "layers/shared/" if name == "telemetry" else ""
        package = folder / "etl" / "_packages" / below / name
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("")
    return folder


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    # -S: without this environment's own editable install.
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_package_is_imported_from_the_wheel(site: Path) -> None:
    code = "import etl, importlib\n" + "\n".join(
        f"print(importlib.import_module({name!r}).__file__)" for name in NAMES
    )
    done = run(site, code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(NAMES)
    assert all(line.startswith(str(site / "etl" / "_packages")) for line in lines)


def test_a_foreign_package_in_site_packages_does_not_win(site: Path) -> None:
    (site / "functions").mkdir()
    (site / "functions" / "__init__.py").write_text("")
    done = run(site, "import etl, functions; print(functions.__file__)")
    assert done.stdout.startswith(str(site / "etl" / "_packages"))


def test_a_foreign_package_that_is_imported_already_is_named_by_its_file(site: Path) -> None:
    foreign = site / "local.py"
    foreign.write_text("")
    done = run(site, "import local, etl")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: telemetry-etl needs its own package 'local'")
    assert str(foreign) in last


def test_a_module_without_a_file_is_refused_too(site: Path) -> None:
    code = "import sys, types; sys.modules['functions'] = types.ModuleType('functions'); import etl"
    done = run(site, code)
    assert "one without a file" in done.stderr.strip().splitlines()[-1]
