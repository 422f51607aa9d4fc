"""`etl up` keeps the contracts that a stack runs, and asks before it takes one away."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.contract_objects import contract_objects
from etl.aws.target import NoStackError, Target
from etl.cli.main import app
from etl.deployment import deploy, laptop
from etl.deployment.laptop import ContractSwitchError, bring_up, switch_question
from etl.deployment.pipeline_contracts import read_contracts
from infrastructure.settings import DatabaseSettings, DeploySettings
from telemetry.errors import ContractError
from tests.fixtures.aws_fakes import BUCKET, FakeS3
from tests.fixtures.contract_files import write_contract


class Laptop:
    """Stands in for the stack on this machine; remembers what it is told to deploy."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.s3 = folder / "state", FakeS3()
        self.outputs: dict[str, str] | None = None
        self.deployed: list[DeploySettings] = []
        here = self

        class Running(Target):
            @property
            def outputs(self) -> dict[str, str]:  # type: ignore[override]
                if here.outputs is None:
                    raise NoStackError("none")
                return here.outputs

            def client(self, _service: str) -> Any:  # type: ignore[override]
                return here.s3

        monkeypatch.setattr(laptop, "start_stand_ins", lambda *_, **__: SimpleNamespace(region="r"))
        monkeypatch.setattr(
            laptop, "local_target", lambda state, stack, _: Running(stack, state=state)
        )
        monkeypatch.setattr(laptop, "laptop_settings", self.settings)
        monkeypatch.setattr(laptop, "create_database", lambda *_: None)
        monkeypatch.setattr(deploy, "deploy", lambda _, wanted, **__: self.deployed.append(wanted))

    @staticmethod
    def settings(target: Target, contract: Path, *further: Path) -> DeploySettings:
        return DeploySettings(
            stack=target.stack,
            contract=contract,
            further_contracts=further,
            database=DatabaseSettings(host="h"),
        )

    def run(self, *files: Path) -> None:
        """Let the stack run these contracts."""
        names = ",".join(read_contracts(files).names[1:])
        self.s3.objects = contract_objects(files)
        further = {"FurtherContracts": names} if names else {}
        self.outputs = {"DataBucketName": BUCKET, **further}

    def up(self, *files: Path, agrees: bool = False) -> DeploySettings:
        """Bring it up; return what was deployed."""
        first, *further = files or (None,)
        bring_up(
            self.state, "plant", first, further=[f for f in further if f], switch=lambda _: agrees
        )
        return self.deployed[-1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    return Laptop(tmp_path, monkeypatch)


def files_of(folder: Path, *names: str) -> list[Path]:
    return [write_contract(folder, name) for name in names]


def test_without_a_word_all_contracts_stay_with_the_files_that_they_name(here, tmp_path):
    files = files_of(tmp_path, "uplink", "status")
    for number, file in enumerate(files):
        file.write_text(
            file.read_text() + '\n[message]\nformat = "decoder"\ndecoder = "decode.py:decode"\n'
        )
        (tmp_path / "decode.py").write_text(f"def decode(payload): return [{number}]\n")
        one = tmp_path / f"state{number}"
        one.mkdir()
        (one / file.name).write_text(file.read_text())
        (one / "decode.py").write_text((tmp_path / "decode.py").read_text())
        files[number] = one / file.name
    here.run(*files)
    settings = here.up()
    assert [path.read_text() for path in settings.contracts] == [f.read_text() for f in files]
    kept = read_contracts(settings.contracts)
    assert kept == read_contracts(files)
    assert {path.is_relative_to(here.state) for path in settings.contracts} == {True}


def test_nothing_runs_yet(here):
    assert here.up().contracts == (laptop.DEFAULT_CONTRACT,)


def test_a_further_one_is_added_without_a_question(here, tmp_path):
    uplink, status = files_of(tmp_path, "uplink", "status")
    here.run(uplink)
    assert here.up(uplink, status).contracts == (uplink, status)


def test_one_is_taken_away_only_with_consent(here, tmp_path):
    uplink, status = files_of(tmp_path, "uplink", "status")
    here.run(uplink, status)
    with pytest.raises(ContractSwitchError, match="Without 'status' its messages that wait become"):
        here.up(uplink)
    assert here.deployed == []
    assert here.up(uplink, agrees=True).contracts == (uplink,)


def test_the_first_one_stays_the_first_even_with_consent(here, tmp_path):
    uplink, status = files_of(tmp_path, "uplink", "status")
    here.run(uplink)
    with pytest.raises(ContractError, match="List uplink first"):
        here.up(status, uplink, agrees=True)


def test_contracts_that_clash_start_nothing(here, tmp_path, monkeypatch):
    monkeypatch.setattr(laptop, "start_stand_ins", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(ContractError, match="uplink_latest"):
        here.up(*files_of(tmp_path, "uplink", "uplink_latest"))


def question(tmp_path: Path, running: list[Path], wanted: list[Path]) -> str:
    return switch_question("plant", read_contracts(running), read_contracts(wanted))


def test_another_contract_in_place_of_one_is_asked_as_it_always_was(tmp_path):
    uplink, status = files_of(tmp_path, "uplink", "status")
    assert question(tmp_path, [uplink], [status]) == (
        "The stack 'plant' runs the contract 'uplink'. With 'status' the messages that wait, and "
        "all later ones, are read by the new contract and go to the table status; uplink keeps its "
        "rows."
    )


def test_a_further_one_of_another_table_is_asked(tmp_path):
    uplink, status = files_of(tmp_path, "uplink", "status")
    (tmp_path / "new").mkdir()
    moved = write_contract(tmp_path / "new", "status", table="states")
    assert question(tmp_path, [uplink, status], [uplink, moved]) == (
        "The stack 'plant' runs the contracts 'uplink' and 'status'. Messages of 'status' go to "
        "the table states; status keeps its rows."
    )
    assert question(tmp_path, [uplink, status], [uplink, status]) == ""


def test_the_command_takes_several_and_says_which_messages_go_where(here, tmp_path, monkeypatch):
    uplink, status = files_of(tmp_path, "uplink", "status")
    contracts = read_contracts([uplink, status])
    target = SimpleNamespace(
        stack="plant",
        contracts=contracts,
        client=lambda _: SimpleNamespace(meta=SimpleNamespace(endpoint_url="http://x")),
    )
    given: list[Any] = []
    monkeypatch.setattr(
        laptop, "bring_up", lambda *where, **more: given.append((where, more)) or target
    )
    named = ["--contract", str(uplink), "--contract", str(status)]
    result = CliRunner().invoke(app, ["--state", str(here.state), "up", *named])
    assert result.exit_code == 0, result.output
    (where, more) = given[0]
    assert (where[2], list(more["further"])) == (uplink, [status])
    assert (
        "  contract status: messages of status/+ go to the table telemetry.status\n"
        in result.output
    )
