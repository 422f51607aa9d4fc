"""The environments that an installed tool makes for itself: complete, or made again."""

import threading
from pathlib import Path

import pytest

from layers import folders
from local import environments
from local.environments import EnvironmentBuildError, ensure

STEPS = [["-r", "emulator.txt"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment is made; its lock file is empty, so that nothing is downloaded."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "emulator.txt").write_text("")
    made = tmp_path / "cache" / "emulator-1"
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "environment_folder", lambda _name: made)
    return made


def test_it_is_made_once_and_says_so_once(folder: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        ensure("emulator", STEPS, lambda: said.append("making"))
    assert said == ["making"]
    assert (folder / "bin" / "python").exists()


def test_one_that_was_interrupted_is_made_again_from_the_beginning(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "half a package").touch()
    ensure("emulator", STEPS, lambda: None)
    assert not (folder / "half a package").exists()
    assert (folder / ".done").exists()


def test_two_callers_make_it_once(folder: Path) -> None:
    said: list[str] = []
    threads = [
        threading.Thread(target=ensure, args=("emulator", STEPS, lambda: said.append("making")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["making"]


def test_what_pip_refuses_is_quoted_and_leaves_no_stamp(folder: Path) -> None:
    lock = folder.parents[1] / "requirements" / "emulator.txt"
    lock.write_text("boto3\n")  # no hash
    with pytest.raises(EnvironmentBuildError, match="hash"):
        ensure("emulator", STEPS, lambda: None)
    assert not (folder / ".done").exists()


def test_a_cache_that_cannot_be_written_is_said(folder: Path) -> None:
    folder.parent.touch()
    with pytest.raises(EnvironmentBuildError, match="XDG_CACHE_HOME"):
        ensure("emulator", STEPS, lambda: None)


def test_a_changed_lock_file_gets_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "emulator.txt"
    monkeypatch.setattr(folders, "ROOT", tmp_path)
    monkeypatch.setattr(folders, "INSTALLED", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock.write_text("one")
    first = folders.environment_folder("emulator")
    lock.write_text("another")
    assert first.parent == tmp_path / "cache" / "telemetry-etl"
    assert folders.environment_folder("emulator") != first


def test_a_clone_keeps_its_environments_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    assert folders.environment_folder("emulator") == folders.ROOT / ".emulator-venv"
    assert folders.BUILD == folders.ROOT / ".build"
