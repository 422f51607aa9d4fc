"""The questions of ``etl settings init``, and the prices that it shows."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from etl.cli.context import console, fail
from etl.deployment.settings_schema import known_settings
from etl.deployment.trigger_proposal import Demand, offers, propose, reason

__all__ = ["demand_of", "show_offers"]

DEVICES, INTERVAL_SECONDS, READINGS, LATENCY_SECONDS = 100, 10.0, 50, 30.0
"""Answers that are offered, and taken for what no option says where nothing can be asked."""


def demand_of(
    devices: int | None,
    rate: float | None,
    interval: float | None,
    readings: int | None,
    latency: float | None,
    *,
    on_terminal: bool,
) -> Demand | None:
    """The fleet by the options and, on a terminal, by the answers; ``None`` where neither says.

    Asks only for what no option gives.
    """
    if rate is not None and interval is not None:
        raise fail("--rate and --interval exclude each other: give one of them.")
    given = (devices, rate, interval, readings, latency)
    if not on_terminal and all(one is None for one in given):
        return None

    def asked(text: str, value: Any, default: Any) -> Any:
        if value is not None or not on_terminal:
            return default if value is None else value
        return typer.prompt(text, default=default, type=type(default), err=True)

    number = asked("Devices", devices, DEVICES)
    if interval is not None:
        rate = number / interval
    each = asked("Readings per second, over all devices", rate, number / INTERVAL_SECONDS)
    try:
        return Demand(
            devices=number,
            rate=each,
            readings_per_message=asked("Readings in a message", readings, READINGS),
            latency=asked(
                "Seconds within which a message should be rows", latency, LATENCY_SECONDS
            ),
        )
    except ValueError as error:
        raise fail(f"This can't be priced: {error}.") from None


def show_offers(demand: Demand) -> tuple[dict[str, Any], str]:
    """Show each trigger's price; return the proposed settings by key, and why."""
    found = offers(demand)
    chosen = propose(demand, found)
    table = Table("", "trigger", "per month", "rows after")
    for column in table.columns[2:]:
        column.justify = "right"
    for one in found:
        lag = f"{one.latency:.0f} s" if one.keeps_up else "falls behind"
        table.add_row("*" if one is chosen else "", one.name, f"${one.dollars:,.0f}", lag)
    console.print(table)
    if not chosen.fits(demand):
        console.print(
            f"none keeps {demand.rate:,g} readings/s within {demand.latency:,g} s: "
            f"{chosen.name} is the fastest"
        )
    console.print(
        "* is written to the file; prices are without database and network (docs/cost.md)"
    )
    values = {key: value for key, value in chosen.settings.items() if key in known_settings()}
    return values, reason(demand, chosen, found)
