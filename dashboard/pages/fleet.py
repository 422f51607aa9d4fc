"""The fleet: every device, one page at a time, and one device with charts of its readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LONG_SECONDS, MEDIUM_SECONDS, ControlRoom
from dashboard.cache import Answer
from dashboard.charts.shapes import Chart, line_chart, sparkline
from dashboard.pages.quality import columns_of
from dashboard.pages.time_spans import SPANS, span_covering
from dashboard.sources import fleet, ledger
from dashboard.sources.fleet import POINTS, Device
from etl.operations.time_range import FIRST, LAST

__all__ = ["routes"]

PAGE = 50
QUIET, SILENT = timedelta(minutes=15), timedelta(hours=24)
SORTS = {"name": "Name", "seen": "Last seen", "silent": "Silent longest", "readings": "Readings"}


@dataclass(frozen=True)
class Listing:
    """One page of the list of devices."""

    devices: Sequence[Device]
    matching: int
    all: int
    page: int
    pages: int
    by_state: dict[str, int]
    """Number of devices of the whole fleet that are reporting, quiet and silent."""


def state_of(last: datetime, now: datetime) -> str:
    """``reporting``; ``quiet`` after 15 minutes without a reading, ``silent`` after a day."""
    age = now - last
    return "silent" if age > SILENT else "quiet" if age > QUIET else "reporting"


def listing(
    devices: Sequence[Device],
    *,
    search: str = "",
    sort: str = "name",
    state: str = "",
    page: int = 1,
    readings: dict[str, int] | None = None,
) -> Listing:
    """One page of the devices that match, sorted. Pure except for the clock."""
    now = datetime.now(UTC)
    states = {device.name: state_of(device.last, now) for device in devices}
    wanted = search.casefold()
    found = [
        device
        for device in devices
        if wanted in device.name.casefold() and state in ("", states[device.name])
    ]
    if sort in ("seen", "silent"):
        found.sort(key=lambda device: device.last, reverse=sort == "seen")
    elif sort == "readings" and readings is not None:
        found.sort(key=lambda device: -readings.get(device.name, 0))
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(1, page), pages)
    counted = dict.fromkeys(("reporting", "quiet", "silent"), 0)
    for one in states.values():
        counted[one] += 1
    shown = found[(page - 1) * PAGE : page * PAGE]
    return Listing(shown, len(found), len(devices), page, pages, counted)


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the fleet."""

    def list_page(request: Request) -> Response:
        values = request.query_params
        sort = values.get("sort", "") if values.get("sort") in SORTS else "name"
        page = int(values["page"]) if values.get("page", "").isdecimal() else 1
        span = values.get("span", "")
        span = span if span in SPANS else _covering(room)
        end = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        start = end - SPANS[span][1]
        contract = room.shown_contract(request)
        found = room.ask(("roster", contract), lambda p: fleet.roster(p, contract), MEDIUM_SECONDS)
        counts: Answer[dict[str, int]] = Answer()
        if sort == "readings":
            counts = room.ask(
                ("counts", span, contract),
                lambda p: fleet.counts(p, start, end, contract),
                LONG_SECONDS,
            )
        shown = listing(
            found.value or (), search=values.get("search", ""), sort=sort,
            state=values.get("state", ""), page=page, readings=counts.value,
        )  # fmt: skip
        names = [device.name for device in shown.devices]
        active = room.ask(
            ("activity", span, contract, *names),
            lambda p: fleet.activity(p, names, start, end, contract),
            MEDIUM_SECONDS,
        )
        now = datetime.now(UTC)
        return room.pages.answer(
            request,
            "fleet.html",
            found=found,
            listing=shown,
            states={device.name: state_of(device.last, now) for device in shown.devices},
            activity=active.value or {},
            sparklines={
                name: sparkline([float(step) for step in one.steps])
                for name, one in (active.value or {}).items()
            },
            error=counts.error or active.error,
            sorts=SORTS,
            spans={name: text for name, (text, _) in SPANS.items()},
            active=active,
            contracts=room.contract_names(),
            chosen={"sort": sort, "span": span, "search": values.get("search", ""),
                    "state": values.get("state", ""), "contract": contract or ""},
        )  # fmt: skip

    def device_page(request: Request) -> Response:
        name = request.query_params.get("id", "")
        asked = request.query_params.get("span", "")
        contract = room.shown_contract(request)
        around = room.ask(
            ("span", name, contract),
            lambda p: fleet.time_range_of(p, name, contract),
            MEDIUM_SECONDS,
        )
        spans = around.value
        chosen, start, end = _range(asked, spans)
        found: Answer[list[fleet.Series]] = Answer()
        row: Answer[dict[str, object]] = Answer()
        if spans:
            key = ("series", name, chosen, end, contract)
            found = room.ask(
                key, lambda p: fleet.series(p, name, start, end, contract), MEDIUM_SECONDS
            )
            row = room.ask(
                ("latest", name, contract),
                lambda p: fleet.latest_row(p, name, contract),
                MEDIUM_SECONDS,
            )
        return room.pages.answer(
            request,
            "device.html",
            status=200 if spans or around.error else 404,
            name=name,
            around=around,
            state=state_of(spans.last, datetime.now(UTC)) if spans else "",
            charts=[_chart(one, start, end) for one in found.value or ()],
            error=found.error,
            row=row.value or {},
            columns=columns_of(room, contract),
            contracts=room.contract_names(),
            contract=contract or "",
            spans={**{k: text for k, (text, _) in SPANS.items()}, "all": "all time"},
            chosen=chosen,
        )

    return [Route("/fleet", list_page), Route("/device", device_page)]


def _covering(room: ControlRoom) -> str:
    """The shortest time range that covers all readings, at most a day."""
    extent = room.ask("extent", ledger.extent, MEDIUM_SECONDS).value
    if extent is None or extent.first is None:
        return "24h"
    return span_covering(datetime.now(UTC) - extent.first, longest="24h")


def _range(asked: str, times: fleet.DeviceTimes | None) -> tuple[str, datetime, datetime]:
    """Name, start and end of the time to chart, which ends at the device's last reading.

    It is the range asked for, else the shortest one that covers all readings, at most a day. Only
    the range of all readings has those that are stamped ahead.
    """
    now = datetime.now(UTC)
    times = times or fleet.DeviceTimes(now, now, now)
    whole = times.newest - times.first
    if asked not in (*SPANS, "all"):
        asked = "all" if whole < SPANS["24h"][1] else "24h"
    if asked != "all":
        return asked, _before(times.last, SPANS[asked][1]), times.last
    second = timedelta(seconds=1)
    if whole >= second:
        return asked, times.first, times.newest
    start = min(times.first, LAST - second)
    return asked, start, start + second


def _before(time: datetime, length: timedelta) -> datetime:
    """The time that much earlier; the first of all where there is none."""
    return time - length if time - FIRST > length else FIRST


def _chart(one: fleet.Series, start: datetime, end: datetime) -> Chart:
    column = one.column
    percent = column.type == "boolean"
    points = [(t, m, m, m) for t, _, m, _ in one.points] if percent else one.points
    gaps = sorted(
        (b[0] - a[0]).total_seconds() for a, b in zip(one.points, one.points[1:], strict=False)
    )
    usual = gaps[len(gaps) // 2] if gaps else 0.0  # the median: gaps are longer than it
    step = max(usual, (end - start).total_seconds() / POINTS)
    return line_chart(
        column.name, points, start, end, unit=column.unit or "", step=step,
        percent=percent, zero=percent, description=column.description,
        tone="b" if percent else "a",
    )  # fmt: skip
