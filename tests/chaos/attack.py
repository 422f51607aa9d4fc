"""A pipeline with a wrong contract: what is done to it, and what must hold afterwards."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import shlex
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from etl.cli.main import app
from local import stack
from tests.chaos import judging
from tests.chaos.rig import Rig
from tests.chaos.rounds import heal, unsettled
from tests.chaos.saboteur import Saboteur
from tests.chaos.traffic import line_of
from tests.chaos.wrong_contracts import COLUMNS, Devices, Oracle, Reading, count

__all__ = ["Attack"]

TABLE = "telemetry.wrong"
VALUE = COLUMNS.index("value")
NEVER_SENT = 77.125
REPAIRS = 6
"""Commands that a repair may take, each named by the one before."""


class Attack:
    """One pipeline under attack."""

    def __init__(
        self, rig: Rig, saboteur: Saboteur, devices: Devices, rng: random.Random
    ) -> None:
        self.rig = rig
        self.saboteur = saboteur
        self.devices = devices
        self.rng = rng
        self.oracle: Oracle = rig.truth  # type: ignore[assignment]
        self._orphans = 0
        self.damages: list[Callable[[], Callable[[], None]]] = [
            self.rows_are_deleted,
            self.the_table_is_emptied,
            self.ledger_rows_are_lost,
            self.the_database_is_as_of_yesterday,
            self.a_raw_object_is_deleted,
            self.a_loss_hides_behind_a_surplus,
            self.values_are_changed,
            self.a_column_is_added_again,
        ]
        assert rig.target.local is not None
        stack.write(rig.target.local)

    # --- what happens

    def send(self, count: int) -> None:
        """Messages into the queue, and an execution that drains it."""
        self.rig.send_bodies([message.body() for message in self.devices.messages(count)])
        self.rig.start_execution()
        time.sleep(0.5)

    def stage(self, lines: list[bytes]) -> str:
        """A batch as an Extract leaves it that dies once it has deleted the messages."""
        self._orphans += 1
        name = f"orphan-{self._orphans:04d}"
        key = f"raw/{datetime.now(UTC):%Y/%m/%d}/{name}/{name}.n{len(lines)}.ndjson.gz"
        self._put(key, gzip.compress(b"\n".join(lines) + b"\n"))
        return key

    def stage_again(self) -> None:
        """Messages that were staged before, delivered a second time among new ones."""
        chosen = self.rng.sample(sorted(self.oracle.messages), min(20, len(self.oracle.messages)))
        lines = [line_of(name, self.oracle.messages[name]) for name in chosen]
        for message in self.devices.messages(10):
            name = str(uuid.UUID(int=self.rng.getrandbits(128)))
            self.oracle.add(name, message.body())
            lines.append(line_of(name, message.body()))
        self.rng.shuffle(lines)
        self.stage(lines)

    def replay_some(self) -> None:
        """Some batches once again, older and newer ones, as whatever kind of replay."""
        ids = sorted(judging.ledger(self.rig))
        if not ids:
            return
        chosen = self.rng.sample(ids, min(5, len(ids)))
        kind = self.rng.choice(["", " --repair"])
        self.etl(f"etl replay{kind} --yes " + " ".join(f"--batch {name}" for name in chosen))

    def nothing(self) -> None:
        """Nothing happens."""

    def heal(self) -> None:
        """What the schedule and the sweep do by themselves, and an operator about quarantine."""
        heal(self.rig, self.saboteur)
        self._release()

    def damaged_and_repaired(self, damage: Callable[[], Callable[[], None]]) -> None:
        """Do it; it is noticed; the named commands repair it."""
        print(damage.__name__)
        before_repair = damage()
        deep = damage in (self.values_are_changed, self.a_column_is_added_again)
        command = "etl reconcile --deep" if deep else "etl reconcile"
        status, said = self.etl(command)
        assert status == 1, f"{damage.__name__}: {said}"
        assert "✓ balanced" not in said or deep
        before_repair()
        for _ in range(REPAIRS):
            status, said = self.etl(command)
            if status == 0:
                break
            commands = re.findall(r"^ +(etl .*)$", said, re.MULTILINE)
            assert commands, f"{damage.__name__}: {said}"
            self.etl(f"{commands[0]} --yes" if "sweep" not in commands[0] else commands[0])
            self.rig.wait_until_idle()
        assert status == 0, f"{damage.__name__}: {said}"
        self.check(damage.__name__)

    # --- damages; each returns what an operator has to do before the named commands

    def rows_are_deleted(self) -> Callable[[], None]:
        self.sql(f"DELETE FROM {TABLE} WHERE ctid IN (SELECT ctid FROM {TABLE} "
                 "ORDER BY random() LIMIT (SELECT 1 + count(*) / 3 FROM telemetry.wrong))")  # fmt: skip
        return self.nothing

    def the_table_is_emptied(self) -> Callable[[], None]:
        self.sql(f"TRUNCATE {TABLE}")
        return self.nothing

    def ledger_rows_are_lost(self) -> Callable[[], None]:
        self.sql("DELETE FROM etl.ledger WHERE batch_id IN "
                 "(SELECT batch_id FROM etl.ledger ORDER BY random() LIMIT 3)")  # fmt: skip
        return self.nothing

    def the_database_is_as_of_yesterday(self) -> Callable[[], None]:
        self.sql(f"TRUNCATE {TABLE}, etl.ledger, etl.conflicts")
        return self.nothing

    def a_raw_object_is_deleted(self) -> Callable[[], None]:
        key = self.rng.choice(sorted(self._raw()))
        return self._delete(key)

    def a_loss_hides_behind_a_surplus(self) -> Callable[[], None]:
        """A batch is gone from S3 and ledger; another of as many messages has no receipt."""
        key, messages = self.rng.choice(sorted(self._raw().items()))
        restore = self._delete(key)
        self.sql(f"DELETE FROM etl.ledger WHERE raw_key = '{key}'")
        surplus = self.devices.messages(len(messages))
        names = [str(uuid.UUID(int=self.rng.getrandbits(128))) for _ in surplus]
        self.stage([line_of(n, m.body()) for n, m in zip(names, surplus, strict=True)])
        while unsettled(self.rig):
            self.rig.sweep()
            self.rig.wait_until_idle()
            self._release()

        def undo() -> None:
            restore()
            for name, message in zip(names, surplus, strict=True):
                self.oracle.add(name, message.body())
            judging.account(self.rig)  # writes the receipt

        return undo

    def values_are_changed(self) -> Callable[[], None]:
        self.sql(f"UPDATE {TABLE} SET value = {NEVER_SENT}, note = 'changed' WHERE ctid IN "
                 f"(SELECT ctid FROM {TABLE} ORDER BY random() LIMIT 5)")  # fmt: skip
        return self.nothing

    def a_column_is_added_again(self) -> Callable[[], None]:
        self.sql(f"ALTER TABLE {TABLE} DROP COLUMN value CASCADE")
        self.rig.deploy(BATCH_MESSAGES="15")
        return self.nothing

    def _delete(self, key: str) -> Callable[[], None]:
        s3, bucket = self.rig.client("s3"), self.rig.target.bucket
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.delete_object(Bucket=bucket, Key=key)
        return lambda: self._put(key, body)

    def correct_the_key(self) -> None:
        """The key was too small: the corrected contract makes rows of all that lost."""
        contract = replace(
            self.oracle.contract, key=("uid", "device", "kind", "ts"), strict=False
        )
        self.oracle.contract = contract
        self.rig.contract.write_text(contract.toml(), encoding="utf-8")
        [(name,)] = self.query("SELECT conname FROM pg_constraint WHERE contype = 'p' "
                               f"AND conrelid = '{TABLE}'::regclass")  # fmt: skip
        self.sql(f"ALTER TABLE {TABLE} DROP CONSTRAINT {name}, ADD PRIMARY KEY (uid, device, kind, ts)")
        self.rig.deploy(BATCH_MESSAGES="15")
        for command in ("etl replay --conflicts", "etl replay --reason conflict"):
            status, said = self.etl(f"{command} --yes")
            assert status == 0, said

    # --- what must hold

    def check(self, after: str = "") -> None:
        """Each reading has ended as the oracle has it, and the account says so."""
        problems = [*self._wrong_rows(), *self._wrong_counts(), *self._not_kept()]
        for command in ("etl reconcile", "etl reconcile --deep"):
            status, said = self.etl(command)
            if status:
                problems.append(f"{command}: {said}")
        assert problems == [], [after, f"seed {self.rig.seed}", str(self.oracle.contract), *problems]

    def _wrong_rows(self) -> list[str]:
        found = Counter(self.query(f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"))
        wanted = Counter(self.oracle.table().values())
        lost, surplus = wanted - found, found - wanted
        return [
            f"{rows.total()} rows {what}, such as {next(iter(rows))}"
            for what, rows in (("lost or other", lost), ("too many", surplus))
            if rows
        ]

    def _wrong_counts(self) -> list[str]:
        wrong, sent = [], self.oracle.sent
        raw, seen = self._raw(), set[str]()
        names = (
            "raw_key", "status", "read", "inserted", "updated", "unchanged", "duplicates",
            "conflicts", "conflicts_in_table", "rejected", "set_aside", "inserted_before",
        )  # fmt: skip
        ledger = [dict(zip(names, row, strict=True))
                  for row in self.query(f"SELECT {', '.join(names)} FROM etl.ledger")]  # fmt: skip
        if sorted(raw) != sorted(one["raw_key"] for one in ledger):
            wrong.append(f"{len(raw)} raw objects, {len(ledger)} batches in the ledger")
        for one in ledger:
            messages = raw.get(one["raw_key"], {})
            seen |= set(messages)
            wrong += [
                f"{name} is not what was sent"
                for name, payload in messages.items()
                if payload != self.oracle.payload(name)
            ]
            accepted, rejected, aside = count(r for name in messages for r in sent[name])
            ended = sum(one[name] for name in names[3:9])
            if (one["rejected"], one["set_aside"], ended) != (rejected, aside, accepted):
                wrong.append(f"{one}: not {accepted} accepted, {rejected} rejected, {aside} aside")
            if one["status"] != "loaded":
                wrong.append(f"{one['raw_key']} is {one['status']}")
        if missing := set(sent) - seen:
            wrong.append(f"{len(missing)} messages are in no raw object")
        rows = len(self.oracle.table())
        inserted = sum(one["inserted"] + one["inserted_before"] for one in ledger)
        if inserted != rows:
            wrong.append(f"{inserted} inserted according to the ledger, {rows} rows")
        return wrong

    def _not_kept(self) -> list[str]:
        """Readings that are neither a row, a repeat, nor kept verbatim where the commands look."""
        rejects, conflicts = self._export("rejects"), self._export("conflicts")
        wrong = [
            f"{line['message_id']} is exported with other bytes"
            for line in (*rejects, *conflicts)
            if line["payload"] is not None
            and base64.b64decode(line["payload"]) != self.oracle.payload(line["message_id"])
        ]
        rejected = {
            (line["message_id"], line["index"], tuple(line["reasons"]))
            for line in rejects
            if line["reasons"] != ["conflict"]
        }
        every = [(name, r) for name, group in self.oracle.sent.items() for r in group]
        expected = {(name, r.index, r.reasons) for name, r in every if r.reasons}
        if rejected != expected:
            wrong.append(f"rejects missing: {list(expected - rejected)[:3]}, "
                         f"surplus: {list(rejected - expected)[:3]}")  # fmt: skip
        of_place = {(name, r.index): r for name, r in every}
        kept = set()
        for line in (*rejects, *conflicts):
            reading = of_place.get((line["message_id"], line["index"]))
            if line["reasons"] == ["conflict"] and reading is not None and reading.row is not None:
                kept.add(reading.row[:-1])
        table = self.oracle.table()
        lost = {row[:-1] for _, row in self.oracle.accepted() if not self.oracle.is_kept(row, table)}
        if missing := lost - kept:
            wrong.append(f"{len(missing)} of {len(lost)} readings that lost are nowhere, such as "
                         f"{next(iter(missing))}")  # fmt: skip
        return wrong

    def _export(self, what: str) -> list[dict[str, Any]]:
        file = self.rig.state.parent / f"{what}.ndjson"
        status, said = self.etl(f"etl {what} export -o {shlex.quote(str(file))} --overwrite")
        assert status == 0, said
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    # --- handles

    def etl(self, command: str) -> tuple[int, str]:
        """Exit status and output of a command, as an operator types it."""
        began = time.monotonic()
        _, *arguments = shlex.split(command)
        target = self.rig.target
        given = ["--stack", target.stack, "--state", str(target.state), *arguments]
        result = CliRunner().invoke(app, given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        print(f"{time.monotonic() - began:5.1f} s  {command} -> {result.exit_code}")
        return result.exit_code, result.output

    def sql(self, statement: str) -> None:
        """Run it as the superuser."""
        with closing(self.saboteur.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.saboteur.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute(statement)
            return cursor.fetchall()

    def _raw(self) -> dict[str, dict[str, bytes]]:
        """Payloads by message id of each raw object."""
        s3, bucket = self.rig.client("s3"), self.rig.target.bucket
        found: dict[str, dict[str, bytes]] = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw/"):
            for entry in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                lines = map(json.loads, gzip.decompress(body).splitlines())
                found[entry["Key"]] = {
                    line["message_id"]: base64.b64decode(line["payload"]) for line in lines
                }
        return found

    def _put(self, key: str, body: bytes) -> None:
        self.rig.client("s3").put_object(Bucket=self.rig.target.bucket, Key=key, Body=body)

    def _release(self) -> None:
        if any(one["status"] == "quarantined" for one in judging.ledger(self.rig).values()):
            status, said = self.etl("etl quarantine release --all --yes")
            assert status == 0, said
