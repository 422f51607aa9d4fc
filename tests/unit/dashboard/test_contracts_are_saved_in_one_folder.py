"""A contract is saved below ``contracts`` alone, and no file is replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.playground.contract_files import (
    LONGEST_NAME,
    ContractFileError,
    can_save,
    contract_path,
    save,
)


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", "../lab", "lab/../../x", "/etc/passwd", "a/b", "a\\b", "C:lab", "lab\0", "lab\n",
        "lab\nx", ".hidden", "-rf", "_x", "Lab", "lab.toml.toml", "lab.sh", "l ab", "läb", "a" * (LONGEST_NAME + 1),
        "~", "$HOME", "%2e%2e%2flab", "lab\u202e",
    ],
)  # fmt: skip
def test_a_name_that_is_more_than_a_name_is_refused(name: str) -> None:
    if name == "lab\n":  # blanks around a name are of typing it
        assert contract_path(name) == Path("contracts/lab.toml")
        return
    with pytest.raises(ContractFileError, match="Not a valid name"):
        contract_path(name)


@pytest.mark.parametrize("name", ["lab", "lab.toml", " lab ", "3d-printer_2", "a" * LONGEST_NAME])
def test_a_name_gives_a_file_in_the_folder(name: str) -> None:
    assert contract_path(name).parent == Path("contracts")
    assert contract_path(name).suffix == ".toml"


def test_a_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    assert save(path, "one", replace=False) == "saved"
    assert save(path, "one", replace=False) == "unchanged"
    assert save(path, "two", replace=False) == "exists"
    assert path.read_text() == "one"
    assert save(path, "two", replace=True) == "saved"
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    link = tmp_path / "lab.toml"
    link.symlink_to(other)
    assert save(link, "contract", replace=False) == "exists"
    assert save(link, "contract", replace=True) == "saved"
    assert other.read_text() == "mine"
    assert link.read_text() == "contract"
    dangling = tmp_path / "new.toml"
    dangling.symlink_to(tmp_path / "nowhere")
    assert save(dangling, "contract", replace=False) == "exists"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    assert not can_save(tmp_path / "contracts")
    for replace in (False, True):
        with pytest.raises(ContractFileError, match="download the contract"):
            save(tmp_path / "contracts/lab.toml", "x", replace=replace)
    assert list(tmp_path.iterdir()) == []
    assert can_save(tmp_path)


def test_a_directory_in_the_place_of_the_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").mkdir()
    assert save(tmp_path / "lab.toml", "x", replace=False) == "exists"
    with pytest.raises(ContractFileError):
        save(tmp_path / "lab.toml", "x", replace=True)
    assert [one.name for one in tmp_path.iterdir()] == ["lab.toml"]


def test_in_a_project_it_is_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline.toml").write_text('stack = "plant"\n')
    (tmp_path / "contracts").mkdir()
    (tmp_path / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "below")
    assert can_save()
    path = contract_path("lab")
    assert path == Path("../../contracts/lab.toml")
    assert save(path, "x", replace=False) == "saved"
    assert (tmp_path / "contracts" / "lab.toml").read_text() == "x"
    monkeypatch.chdir(tmp_path)
    assert contract_path("lab") == Path("contracts/lab.toml")
