"""``etl dashboard``: the control room, a local web page."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.cli.context import console, guard, notes, target_of


@guard
def dashboard(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port; default: the first free from 8710."),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show pages without buttons that change anything.")
    ] = False,
    dsn: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            envvar="ETL_DATABASE_URL",
            help="Connect to the database here instead, such as through a tunnel: postgresql://user@127.0.0.1:6543/db",
        ),
    ] = None,
) -> None:
    """Open the control room, a web page: health, executions, rejects, quality, fleet, playground.

    It listens on 127.0.0.1 only, and answers only to the address it prints. Ctrl-C stops it;
    executions that it has started keep running.
    """
    from dashboard.app_state import ControlRoom
    from dashboard.serving import listen, serve

    target = target_of(context.obj)
    target.outputs  # noqa: B018 - raises NoStackError before anything is opened
    listening = listen(port)
    room = ControlRoom(target, dsn=dsn, read_only=read_only)

    def notify(address: str) -> None:
        mode = " (read-only)" if read_only else ""
        console.print(f"[green]control room[/]{mode}: {address}", soft_wrap=True)
        notes.print("Anyone with this address can use it. Press Ctrl-C to stop.")

    try:
        serve(room, listening, open_browser=open_browser, notify=notify)
    except KeyboardInterrupt:
        notes.print("stopped")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(dashboard)
