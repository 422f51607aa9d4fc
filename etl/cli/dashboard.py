"""``etl dashboard``: the control room, a local web page."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.cli.context import console, fail, guard, notes, target_of


@guard
def dashboard(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; default: the first free from 8710.")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser.")
    ] = True,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Only look: no button does anything.")
    ] = False,
    dsn: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            envvar="ETL_DATABASE_URL",
            help="Another way to the database, such as a tunnel: postgresql://user@127.0.0.1:6543/db",
        ),
    ] = None,
) -> None:
    """The control room: health, executions, rejects, quality and the fleet in a web page.

    It answers on 127.0.0.1 alone, and only to whoever has the address it prints. Ctrl-C ends it;
    what it has started in the workflow goes on.
    """
    from dashboard.app_state import ControlRoom
    from dashboard.serving import PortTakenError, listen, serve

    target = target_of(context.obj)
    target.outputs  # noqa: B018 - a stack that is not there is told before anything is opened
    try:
        listening = listen(port)
    except PortTakenError as error:
        raise fail(str(error)) from error
    room = ControlRoom(target, dsn=dsn, read_only=read_only)

    def notify(address: str) -> None:
        mode = " (read-only)" if read_only else ""
        console.print(f"[green]control room[/]{mode}: {address}", soft_wrap=True)
        notes.print("Whoever has this address may act. Ctrl-C ends it.")

    try:
        serve(room, listening, open_browser=open_browser, notify=notify)
    except KeyboardInterrupt:
        notes.print("ended")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(dashboard)
