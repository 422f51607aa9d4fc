"""The wheel, built from this repository and installed into an empty environment outside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / ".build" / "installed.txt"
"""Where the times are kept: of a run in several processes, nothing is printed."""
# Everything else of this process's environment would hide what the wheel lacks.
KEPT = ("PIP_", "SSL_", "REQUESTS_", "LANG", "LC_", "TERM")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def megabytes(folder: Path) -> float:
    """Room that the files of a folder take, links left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


@dataclass
class Installed:
    """The environment, and the time that each command in it took."""

    folder: Path
    wheel: Path
    measured: list[tuple[str, str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(KEPT) or name.lower() in PROXIES
        }
        # The new HOME has no configuration of pip's: how this machine installs is part of it.
        own = Path.home() / ".config" / "pip" / "pip.conf"
        pip = {"PIP_CONFIG_FILE": str(own)} if own.exists() else {}
        return (
            pip
            | kept
            | {
                "PATH": f"{self.folder / 'venv' / 'bin'}{os.pathsep}{os.defpath}",
                "HOME": str(self.folder / "home"),
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "COLUMNS": "100",
            }
        )

    def run(self, command: str, folder: Path, *, status: int = 0, title: str = "") -> str:
        """What a command in the environment prints; its time is measured under its title."""
        begin = time.monotonic()
        done = subprocess.run(
            command.split(),
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            # Of the new environment, not of the one whose PATH this process has.
            executable=str(self.folder / "venv" / "bin" / command.split(maxsplit=1)[0]),
        )
        self.measured.append((title or command, f"{time.monotonic() - begin:.1f} s"))
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def install(self, extra: str = "") -> None:
        """Install the wheel, and note how large the environment has become."""
        title = f"pip install telemetry-etl{extra}"
        self.run(f"python -m pip install --quiet {self.wheel}{extra}", self.folder, title=title)
        size = megabytes(self.folder / "venv")
        self.measured.append((f"installed size{extra}", f"{size:.0f} MB"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, pytestconfig: pytest.Config) -> Iterator[Installed]:
    # Not in pytest's folder: another pytest that starts takes the search permission from that one,
    # which the database server of this environment needs where root runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="installed-"))
    (folder / "home").mkdir()
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    found = Installed(folder, wheel)
    found.measured.append(("size of the wheel", f"{wheel.stat().st_size / 1e6:.1f} MB"))
    yield found
    shutil.rmtree(folder)
    lines = [f"{figure:>10}  {what}" for what, figure in found.measured]
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text("\n".join(lines) + "\n")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("", *lines, sep="\n")
