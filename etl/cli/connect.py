"""``etl connect``: files that show the data in tools people already have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from etl.aws.target import DatabaseRole
from etl.cli.context import JsonOption, Options, console, fail, guard, print_json, target_of

if TYPE_CHECKING:
    from telemetry.contract import Contract

commands = typer.Typer(
    help="Show the data in other tools: files for Grafana and dbt, and the login.",
    no_args_is_help=True,
)
ContractsOption = Annotated[
    str | None,
    typer.Option(
        "--contract",
        metavar="NAME OR FILE",
        help="A contract of the pipeline, or a contract file; default: all deployed ones.",
    ),
]
OutOption = Annotated[
    Path, typer.Option(metavar="FOLDER", file_okay=False, help="Folder to write into.")
]


@commands.command()
@guard
def grafana(
    context: typer.Context,
    contract: ContractsOption = None,
    out: OutOption = Path("grafana"),
) -> None:
    """Write a Grafana dashboard of each contract, to import or to provision.

    It has no address and no login in it. Safe to run again.
    """
    import json

    from etl.connect.grafana import dashboard

    for one in _contracts(context.obj, contract):
        text = json.dumps(dashboard(one, context.obj.stack), indent=2, ensure_ascii=False) + "\n"
        _write(out / f"{one.name}.json", text)


@commands.command()
@guard
def dbt(
    context: typer.Context,
    contract: ContractsOption = None,
    out: OutOption = Path("dbt"),
) -> None:
    """Write a dbt project: sources with descriptions, tests and freshness, and an example model.

    Safe to run again: files that follow the contract are written again, all others are kept.
    """
    from etl.connect.dbt import project_files

    for file in project_files(_contracts(context.obj, contract)):
        path = out / file.path
        if path.exists() and not file.generated:
            _print(f"kept {path}")
        else:
            _write(path, file.text)


@commands.command()
@guard
def login(
    context: typer.Context,
    role: Annotated[
        str, typer.Option("--as", help="Role: analyst (read-only), or loader.")
    ] = "analyst",
    password: Annotated[
        bool, typer.Option("--password", help="Print the password as well.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print what a tool asks for to connect to the database: host, port, user, certificate."""
    target = target_of(context.obj, "emulator", "postgres")
    if role not in get_args(DatabaseRole):
        raise typer.BadParameter(f"{role!r} is not a role: use analyst or loader.")
    secret = f"{role.title()}SecretArn"
    if secret not in target.outputs:
        raise fail(f"Stack {target.stack} has no login for the role {role}.")
    settings = target.database_settings(role)  # type: ignore[arg-type]
    if not password:
        del settings["password"]
        if not as_json:
            settings["password"] = f"in the secret {target.outputs[secret]}; --password prints it"
    if as_json:
        print_json(settings)
        return
    for name, value in settings.items():
        _print(f"{name:<12} {value}")


def _contracts(options: Options, name: str | None) -> tuple[Contract, ...]:
    from etl.operations.contract_choice import chosen_contracts
    from telemetry.contract import load_contract

    if name is not None and (name.endswith(".toml") or Path(name).is_file()):
        return (load_contract(Path(name)),)
    return chosen_contracts(target_of(options), name)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    _print(f"wrote {file}")


def _print(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="connect")
