"""``etl pgadmin``: the database in pgAdmin 4, on this machine or by a servers file for AWS."""

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
from etl.operations.pgadmin_queries import saved_queries
from etl.operations.pgadmin_servers import Server, password_command, servers_file

ROLES: tuple[DatabaseRole, ...] = ("analyst", "loader")
"""Roles whose login a stack may have, in an output such as ``LoaderSecretArn``."""


@guard
def pgadmin(
    context: typer.Context,
    export: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a servers file for a pgAdmin elsewhere, and end."),
    ] = None,
    tunnel_port: Annotated[
        int | None,
        typer.Option(min=1, max=65534, help="With --export: the tunnel's port on your machine."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65534, help="Port on 127.0.0.1; 0 is a free one.")
    ] = 0,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in your browser.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Look at the database in pgAdmin 4, with the server registered and queries saved.

    The first time installs pgAdmin into an environment of its own. Ctrl-C stops it.
    """
    target = target_of(context.obj)
    if export is not None:
        _export(target, export, tunnel_port)
    elif target.local is None:
        raise fail(
            "pgAdmin is started here for the database on this machine alone. For one in AWS write "
            "a servers file with `etl ... pgadmin --export servers.json` and import it."
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
                comment=f"Its password is in Secrets Manager: {arn}",
            )
        )
    file.write_text(json.dumps(servers_file(servers), indent=2) + "\n", encoding="utf-8")
    _tell_of_passwords(target, file, arns)


def _tell_of_passwords(target: Target, file: Path, arns: dict[DatabaseRole, str]) -> None:
    # Plain text: to rich, a part of an ARN is an emoji.
    typer.echo(f"wrote {file}, no password in it; import it with Tools > Import/Export Servers")
    if target.local is not None:
        typer.echo("here, `etl pgadmin` without --export has the server and needs no password")
        return
    for role, arn in arns.items():
        told = password_command(arn, target.region, target.profile)
        typer.echo(f"\nthe password of the {role}:\n  {told}")
    typer.echo("\npgAdmin as a desktop application runs that by itself; in server mode it asks you")


def _serve(target: Target, port: int, *, open_page: bool, as_json: bool) -> None:
    from local.pgadmin import PgAdmin
    from local.pgadmin.environment import ensure

    def tell(text: str) -> None:
        notes.print(f"[dim]•[/] {text}")

    ensure(tell)
    pgadmin = PgAdmin(target.state / "pgadmin", port)
    # A plain `kill` is as clean as Ctrl-C: no password is left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        servers, passwords = _registered(target, pgadmin.passfile)
        queries = {q.file_name: (q.name, q.text()) for q in saved_queries(target.contract)}
        pgadmin.prepare([server.entry() for server in servers], passwords, queries, tell)
        tell("starting pgAdmin")
        pgadmin.start()
        if as_json:
            print_json({"url": pgadmin.url, "page": str(pgadmin.page)})
            sys.stdout.flush()  # into a pipe it would wait for the end, which is far
        else:
            console.print(f"[green]pgAdmin[/] at {pgadmin.url}", soft_wrap=True)
            console.print("the key in that address is all it takes to get in; Ctrl-C stops it")
        if open_page:
            webbrowser.open(pgadmin.page.as_uri())
        pgadmin.wait()
    except KeyboardInterrupt:
        notes.print("stopped")
    finally:
        pgadmin.stop()


def _registered(target: Target, passfile: Path) -> tuple[list[Server], list[str]]:
    """The logins of this machine's stack, and the lines of the passfile."""
    servers, lines = [], []
    for role in _secrets(target):
        settings = target.database_settings(role)
        name = f"{target.stack} ({role})"
        servers.append(Server.of(name, settings, password_file=passfile))
        line = [settings[key] for key in ("host", "port", "dbname", "user", "password")]
        lines.append(":".join(text.replace("\\", "\\\\").replace(":", "\\:") for text in line))
    return servers, lines


def _secrets(target: Target) -> dict[DatabaseRole, str]:
    """The roles this stack has a login of, and the ARN of each one's secret."""
    outputs = {role: f"{role.title()}SecretArn" for role in ROLES}
    return {role: target.outputs[name] for role, name in outputs.items() if name in target.outputs}


def _interrupt(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(pgadmin)
