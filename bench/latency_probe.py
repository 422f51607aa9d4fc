"""Publishes messages whose readings carry the time of their publication, and waits for the rows.

A trigger on the ledger notifies at the commit of each batch; the rows are then looked up as any
other client would, and a message counts as visible once that query has answered. Nothing polls the
database between the batches.
"""

from __future__ import annotations

import random
import select
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType

import psycopg2

from etl.aws.target import Target
from etl.operations.publishing import register_devices
from local.devices.fleet import device_topic
from local.devices.mqtt import DeviceConnection
from telemetry.ddl import LEDGER, qualified

__all__ = ["MessagesMissingError", "Probe", "Sample", "payload"]

CHANNEL = "bench_loaded"
MOST_DEVICES = 10
SEED = 17
TRIGGER = f"""
CREATE OR REPLACE FUNCTION etl.{CHANNEL}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('{CHANNEL}', NEW.batch_id); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER {CHANNEL} AFTER INSERT OR UPDATE ON {LEDGER}
FOR EACH ROW EXECUTE FUNCTION etl.{CHANNEL}()
"""
READING = (
    '{{"ts": "{ts}", "seq": {seq}, "temperature_c": 21.{seq}, "humidity_pct": 48.2, '
    '"pressure_hpa": 1012.8, "battery_v": 3.71, "status": "ok", "charging": false}}'
)


class MessagesMissingError(Exception):
    """Raised where rows of a message have not come in time."""


@dataclass(frozen=True)
class Sample:
    """One message; times are epoch seconds of this machine's clock."""

    published: float
    visible: float
    batch: str
    """Id of the micro-batch that made it visible."""

    @property
    def seconds(self) -> float:
        """Its latency."""
        return self.visible - self.published


def payload(device: str, micros: int, readings: int) -> bytes:
    """A message of the example contract; its readings are a microsecond apart.

    The first has the number 0 and the time of the publication, ``micros`` after the epoch.
    """
    parts = (READING.format(ts=_iso(micros + seq), seq=seq) for seq in range(readings))
    head = f'{{"device_id": "{device}", "firmware": "1.4.2", "readings": ['
    return (head + ", ".join(parts) + "]}").encode()


def _iso(micros: int) -> str:
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 10**6)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Probe:
    """Publishes over MQTT and watches the table. A context manager: it listens all the time."""

    def __init__(self, target: Target) -> None:
        assert target.local is not None
        name = target.database_settings()["dbname"]
        self._connection = psycopg2.connect(replace(target.local.database, name=name).dsn())
        self._connection.autocommit = True
        contract = target.contract
        self._statement = f"""
            SELECT device_id, (extract(epoch FROM ts) * 1000000)::bigint
            FROM {qualified(contract)} WHERE device_id = ANY(%s) AND ts >= %s AND seq = 0"""
        self._broker = target.broker()
        names = [f"probe-{number:02d}" for number in range(MOST_DEVICES)]
        self._identities = register_devices(target, names)
        self._topics = {name: device_topic(contract, name) for name in names}
        self._lock = threading.Lock()
        self._waiting: set[tuple[str, int]] = set()
        """Device and time (microseconds) of each message that is not visible yet."""
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Probe:
        with self._connection.cursor() as cursor:
            cursor.execute(TRIGGER)
            cursor.execute(f"LISTEN {CHANNEL}")
        self._watcher.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._watcher.join()
        self._connection.close()

    def run(self, rate: float, readings: int, seconds: float, patience: float) -> list[Sample]:
        """Publish so many messages per second, at random moments; return them once all are visible.

        Raises :class:`MessagesMissingError` after ``patience`` seconds without the last of them.
        """
        with self._lock:
            self._samples = []
        self._publish(rate, readings, seconds)
        deadline = time.monotonic() + patience
        while True:
            with self._lock:
                if not self._waiting:
                    return self._samples
                missing = len(self._waiting)
            if time.monotonic() > deadline:
                raise MessagesMissingError(f"{missing} messages have no row after {patience} s")
            time.sleep(0.05)

    def forget(self) -> None:
        """Wait no longer for the messages whose rows have not come."""
        with self._lock:
            self._waiting.clear()

    def _publish(self, rate: float, readings: int, seconds: float) -> None:
        devices = self._identities[: max(1, min(MOST_DEVICES, int(rate)))]
        moments = random.Random(SEED)
        with ExitStack() as stack:
            connections = [
                stack.enter_context(DeviceConnection(self._broker, each)) for each in devices
            ]
            begin = due = time.monotonic()
            number = 0
            while due - begin < seconds:
                time.sleep(max(0.0, due - time.monotonic()))
                connection = connections[number % len(connections)]
                thing = connection.identity.thing
                micros = time.time_ns() // 1000
                with self._lock:
                    self._waiting.add((thing, micros))
                connection.publish(self._topics[thing], payload(thing, micros, readings))
                number += 1
                due += moments.expovariate(rate)

    def _watch(self) -> None:
        """Look for rows at each commit; its own thread, and the only user of the connection."""
        while not self._stop.is_set():
            if not select.select([self._connection], [], [], 0.2)[0]:
                continue
            self._connection.poll()
            while self._connection.notifies:
                self._look(self._connection.notifies.pop(0).payload)

    def _look(self, batch: str) -> None:
        with self._lock:
            waiting = set(self._waiting)
        if not waiting:
            return
        devices = sorted({device for device, _ in waiting})
        oldest = datetime.fromtimestamp(min(micros for _, micros in waiting) // 10**6, UTC)
        with self._connection.cursor() as cursor:
            cursor.execute(self._statement, (devices, oldest))
            rows = {(device, int(micros)) for device, micros in cursor.fetchall()}
        visible = time.time()
        found = rows & waiting
        with self._lock:
            self._waiting -= found
            self._samples += [Sample(micros / 1e6, visible, batch) for _, micros in found]
