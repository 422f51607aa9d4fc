"""``etl pgadmin``: the database in pgAdmin 4, started here or through a servers file for AWS."""

from __future__ import annotations

import json
import signal
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from etl.aws.target import DatabaseRole, Target
from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from etl.operations.pgadmin_queries import queries_of_all
from etl.operations.pgadmin_servers import Server, password_command, servers_file

ROLES: tuple[DatabaseRole, ...] = ("analyst", "loader")
"""Roles that may have a login, in an output of the stack such as ``LoaderSecretArn``."""


@guard
def pgadmin(
    context: typer.Context,
    export: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a servers file for another pgAdmin, and exit."),
    ] = None,
    tunnel_port: Annotated[
        int | None,
        typer.Option(min=1, max=65534, help="With --export: port of the tunnel on your machine."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65534, help="Port on 127.0.0.1; 0: any free port.")
    ] = 0,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in your browser.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the database in pgAdmin 4, with the server registered and queries saved.

    The first call installs pgAdmin into an environment of its own. Ctrl-C stops it.
    """
    target = target_of(context.obj)
    if export is not None:
        _export(target, export, tunnel_port)
    elif target.local is None:
        raise fail(
            "pgAdmin is started here only for the local stack. For a database on AWS, write a "
            "servers file with `etl ... pgadmin --export servers.json` and import it."
        )
    else:
        _serve(target, port, open_page=open_page, as_json=as_json)


def _export(target: Target, file: Path, tunnel_port: int | None) -> None:
    servers, arns = [], _secrets(target)
    for role, arn in arns.items():
        command = None
        if target.local is None:
            command = password_command(arn, target.region, target.profile)
        servers.append(
            Server.of(
                f"{target.stack} ({role})",
                target.database_settings(role),
                tunnel_port=tunnel_port,
                password_command=command,
                comment=f"The password is in Secrets Manager: {arn}",
            )
        )
    file.write_text(json.dumps(servers_file(servers), indent=2) + "\n", encoding="utf-8")
    _print_passwords(target, file, arns)


def _print_passwords(target: Target, file: Path, arns: dict[DatabaseRole, str]) -> None:
    # Plain text, as rich takes a part of an ARN for an emoji.
    typer.echo(f"wrote {file}, without passwords; import it with Tools > Import/Export Servers")
    if target.local is not None:
        typer.echo("here `etl pgadmin` without --export has the server and needs no password")
        return
    for role, arn in arns.items():
        command = password_command(arn, target.region, target.profile)
        typer.echo(f"\nthe password of the {role}:\n  {command}")
    typer.echo("\npgAdmin runs this itself in desktop mode; in server mode it asks you")


def _serve(target: Target, port: int, *, open_page: bool, as_json: bool) -> None:
    from local.pgadmin import PgAdmin
    from local.pgadmin.environment import ensure

    def notify(text: str) -> None:
        notes.print(f"[dim]•[/] {text}")

    ensure(notify)
    pgadmin = PgAdmin(target.state / "pgadmin", port)
    # `kill` stops it like Ctrl-C, so that no password is left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        servers, passwords = _registered(target, pgadmin.passfile)
        queries = {q.file_name: (q.name, q.text()) for q in queries_of_all(target.contracts)}
        pgadmin.prepare([server.entry() for server in servers], passwords, queries, notify)
        notify("starting pgAdmin")
        pgadmin.start()
        if as_json:
            print_json({"url": pgadmin.url, "page": str(pgadmin.page)})
            sys.stdout.flush()  # a pipe would buffer it until the end
        else:
            console.print(f"[green]pgAdmin[/] at {pgadmin.url}", soft_wrap=True)
            console.print("anyone with this address can use it; Ctrl-C stops it")
        if open_page:
            webbrowser.open(pgadmin.page.as_uri())
        pgadmin.wait()
    except KeyboardInterrupt:
        notes.print("stopped")
    finally:
        pgadmin.stop()


def _registered(target: Target, passfile: Path) -> tuple[list[Server], list[str]]:
    """The logins of the local stack, and the lines of the password file."""
    servers, lines = [], []
    for role in _secrets(target):
        settings = target.database_settings(role)
        name = f"{target.stack} ({role})"
        servers.append(Server.of(name, settings, password_file=passfile))
        line = [settings[key] for key in ("host", "port", "dbname", "user", "password")]
        lines.append(":".join(text.replace("\\", "\\\\").replace(":", "\\:") for text in line))
    return servers, lines


def _secrets(target: Target) -> dict[DatabaseRole, str]:
    """The roles that have a login in this stack, with the ARNs of their secrets."""
    outputs = {role: f"{role.title()}SecretArn" for role in ROLES}
    return {role: target.outputs[name] for role, name in outputs.items() if name in target.outputs}


def _interrupt(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(pgadmin)
