"""The overview has the latency of the last hour, and a dash where nothing was loaded in it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard.app import application
from dashboard.cache import Answer
from dashboard.health import Facts
from dashboard.sources.ledger import Minute, Throughput
from etl.operations.arrival_latency import ArrivalLatency
from tests.fixtures.asgi import request
from tests.fixtures.stopped_room import stopped_room

PORT = 8710
QUIET = Throughput([Minute(datetime.now(UTC), 10, 0, 1)], 1.0)
FIGURE = re.compile(r'<dt>Arrival to row</dt><dd>(.*?)</dd><dd class="about">(.*?)</dd>')


@pytest.mark.parametrize(
    ("latency", "figure", "about"),
    [
        (
            ArrivalLatency(newest=0.25, oldest=1.2, longest=65),
            "1.20 s",
            "oldest of a batch, newest 250 ms, at most 1 min 5 s",
        ),
        (None, "–", "oldest message of a batch"),
    ],
    ids=["loaded", "quiet"],
)
def test_the_overview_shows_the_latency(
    latency: ArrivalLatency | None, figure: str, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = stopped_room()
    known = Answer(replace(QUIET, latency=latency), None, time.time())
    empty: Facts = Facts(
        executions=Answer(), queues=Answer(), alarms=Answer(), throughput=known,
        quarantined=Answer(), reconciliation=Answer(),
    )  # fmt: skip
    monkeypatch.setattr(room, "facts", lambda: empty)
    monkeypatch.setattr(room, "ask", lambda *_a, **_k: Answer())
    sent = {"host": f"127.0.0.1:{PORT}", "cookie": f"control-room-{PORT}={room.keys.session}"}
    page = request(application(room, PORT), "GET", "/", headers=sent)
    assert page.status == 200, page.text[:500]
    found = FIGURE.search(page.text)
    assert found is not None
    assert found.groups() == (figure, about)
    room.close()
