"""From an empty folder to rows, with nothing but the wheel: the tests run in their order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.pages import Shell, check_page
from tests.installed.conftest import ROOT, Installed, megabytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DATABASE = """\
[database]
host = "db.example.com"
owner_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner-AbCdEf"
ssl_mode = "require"
"""
"""What a project adds to the settings before `etl settings check` passes."""


@pytest.fixture(scope="module")
def plant(installed: Installed) -> Iterator[Path]:
    """The folder of a project, which the tests make and use one after another."""
    folder = installed.folder / "empty" / "plant"
    folder.parent.mkdir()
    yield folder
    with suppress(AssertionError):
        installed.run("etl down", folder)  # where a test failed before it did


def test_it_has_one_import_package(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    packages = {name for name in names if not name.endswith(".dist-info")}
    assert packages == {"etl"}
    assert len(names) == 2
    assert wheel.stat().st_size < 10e6


def test_it_has_every_file_that_the_commands_read(wheel: Path) -> None:
    carried = {
        name.removeprefix("etl/_packages/")
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith("etl/_packages/")
    }
    known = subprocess.run(
        ["git", "ls-files", "-z", "contracts", "layers", "functions", "workflow", "infrastructure",
         "local", "dashboard/templates", "dashboard/static", "docs/runbook.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    assert not {name for name in known if name} - carried
    assert not [name for name in carried if name.endswith(".pyc") or "node_modules" in name]


def test_two_builds_after_a_file_is_gone_do_not_keep_it(wheel: Path) -> None:
    stale = ROOT / ".build" / "wheel" / "lib" / "etl" / "_packages" / "gone.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    again = wheel.parent / "again"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(again), str(ROOT)],
        check=True,
    )  # fmt: skip
    (second,) = again.glob("*.whl")
    names = zipfile.ZipFile(second).namelist()
    assert names == zipfile.ZipFile(wheel).namelist()


def test_it_installs_with_what_it_needs(installed: Installed, plant: Path) -> None:
    installed.install()
    assert "telemetry-etl " in installed.run("etl --version", plant.parent)
    site = next((installed.folder / "venv" / "lib").glob("python3*/site-packages"))
    taken = {"functions", "local", "layers", "workflow", "infrastructure", "dashboard", "telemetry"}
    assert not taken & {path.name for path in site.iterdir()}
    installed.run("python -m pip check", plant.parent)


def test_a_missing_extra_is_named_with_the_command_that_brings_it(
    installed: Installed, plant: Path
) -> None:
    code = installed.folder / "random_messages.py"
    code.write_text(
        "from etl.testing import load_contract, messages\n"
        "from layers.folders import ROOT\n"
        "messages(load_contract(ROOT / 'contracts' / 'fleet.toml'))\n"
    )
    said = installed.run(f"python {code}", plant.parent, status=1, title="import etl.testing")
    assert said.strip().endswith("pip install 'telemetry-etl[testing]'")


def test_a_project_is_made_and_its_contract_checked(installed: Installed, plant: Path) -> None:
    said = installed.run("etl init plant", plant.parent)
    assert "143 rows" in said
    said = installed.run("etl contract check contracts/plant.toml samples/plant.ndjson", plant)
    assert "143" in said


def test_the_first_start_that_is_interrupted_begins_again(
    installed: Installed, plant: Path
) -> None:
    etl = str(installed.folder / "venv" / "bin" / "etl")
    cache = installed.folder / "cache" / "telemetry-etl"
    started = subprocess.Popen(
        [etl, "up"], cwd=plant, env=installed.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(cache.glob("emulator-*/bin/python")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    output = started.communicate()[0].decode()
    assert "only once" in output, output
    assert list(cache.glob("emulator-*/bin/python"))
    assert not list(cache.glob("emulator-*/.done"))


def test_messages_become_rows_and_are_accounted_for(installed: Installed, plant: Path) -> None:
    below = plant / "contracts"
    said = installed.run("etl up", below, title="etl up, the first")
    assert "only once" in said
    assert "stack plant" in said
    assert (plant / ".etl" / "stack.json").exists()
    installed.run("etl publish ../samples/plant.ndjson", below)
    said = installed.run("etl reconcile --wait 120", below)
    assert "balanced: every reading is accounted for" in said
    assert "143" in said
    assert not (below / ".etl").exists()
    size = megabytes(installed.folder / "cache" / "telemetry-etl")
    installed.measured.append(("the cache after it", f"{size:.0f} MB"))


def test_nothing_would_change_and_the_pages_are_there(installed: Installed, plant: Path) -> None:
    assert "Nothing would change" in installed.run("etl plan --local", plant)
    code = installed.folder / "pages.py"
    code.write_text(
        "import etl\n"
        "from dashboard.documentation import read_page\n"
        "from dashboard.rendering import FOLDER\n"
        "from layers.folders import ROOT\n"
        "assert read_page('runbook') is not None\n"
        "assert (FOLDER / 'static' / 'style.css').exists()\n"
        "assert list((ROOT / 'notebooks').glob('*.ipynb'))\n"
    )
    installed.run(f"python {code}", plant, title="import etl, the runbook's page")


def test_the_second_start_goes_on_with_the_data(installed: Installed, plant: Path) -> None:
    installed.run("etl down", plant)
    said = installed.run("etl up", plant, title="etl up, again")
    assert "only once" not in said
    assert "balanced" in installed.run("etl reconcile", plant)
    installed.run("etl down --delete --yes", plant)


def test_the_projects_own_tests_pass(installed: Installed, plant: Path) -> None:
    installed.install("[testing]")
    assert "2 passed" in installed.run("pytest -q", plant)


def steps(workflow: Path) -> Iterator[tuple[str, str]]:
    """Job and command of each step of a workflow that runs one."""
    found = yaml.safe_load(workflow.read_text())
    for name, job in found["jobs"].items():
        yield from ((name, step["run"]) for step in job["steps"] if "run" in step)


def test_the_steps_of_the_projects_workflow_pass(installed: Installed, plant: Path) -> None:
    """As GitHub runs them, but for the account: without a region, plan and deploy act on this machine."""
    settings = plant / "pipeline.toml"
    as_generated = settings.read_text()
    assert as_generated.count("[database]\n") == 1
    settings.write_text(as_generated.replace("[database]\n", DATABASE))
    installed.run("etl up", plant, title="etl up, of a project whose data was deleted")
    environment = installed.environment | {"PIP_FIND_LINKS": str(installed.wheel.parent)}
    performed = list(steps(plant / ".github" / "workflows" / "pipeline.yml"))
    try:
        for job, command in performed:
            begin = time.monotonic()
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command],
                cwd=plant, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
            assert done.returncode == 0, f"{job}: {command}\n{done.stdout}\n{done.stderr}"
            took = f"{time.monotonic() - begin:.1f} s"
            installed.measured.append((f"workflow, {job}: {command}", took))
    finally:
        settings.write_text(as_generated)
    assert {job for job, _ in performed} == {"test", "plan", "deploy"}
    installed.run("etl down --delete --yes", plant)


def test_the_projects_notebook_shows_the_rows(installed: Installed, plant: Path) -> None:
    installed.install("[notebooks]")
    installed.run("etl up", plant, title="etl up, of a project whose data was deleted")
    installed.run("etl publish samples/plant.ndjson", plant)
    installed.run("etl reconcile --wait 120", plant)
    installed.run("jupyter execute --inplace notebooks/plant.ipynb", plant)
    shown = (plant / "notebooks" / "plant.ipynb").read_text()
    assert "143.0" in shown
    assert '"output_type": "error"' not in shown
    installed.run("etl down --delete --yes", plant)


def test_the_tutorial_shows_what_its_commands_print(installed: Installed) -> None:
    folder = installed.folder / "tutorial"
    folder.mkdir()
    begin = time.monotonic()
    try:
        check_page(ROOT / "docs" / "tutorial.md", Shell(folder, installed.environment))
    finally:
        with suppress(AssertionError, OSError):
            installed.run("etl down", folder / "greenhouse")  # where a command failed before it did
    installed.measured.append(("the tutorial's commands", f"{time.monotonic() - begin:.1f} s"))
