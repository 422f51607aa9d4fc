"""A pipeline with a wrong contract, commands as an operator types them, and what must hold."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
import time
from collections import Counter
from contextlib import closing
from typing import Any

from typer.testing import CliRunner

from etl.cli.main import app
from local import stack
from tests.chaos.oracle import Oracle, count
from tests.chaos.rig import Rig
from tests.chaos.saboteur import Saboteur
from tests.chaos.wrong_contracts import COLUMNS

__all__ = ["TABLE", "WrongPipeline"]

TABLE = "telemetry.wrong"


class WrongPipeline:
    """A pipeline whose contract is wrong, and the oracle of what was sent."""

    def __init__(self, rig: Rig, saboteur: Saboteur, oracle: Oracle) -> None:
        self.rig = rig
        self.saboteur = saboteur
        self.oracle = oracle
        assert rig.target.local is not None
        stack.write(rig.target.local)

    def check(self, after: str = "") -> None:
        """Each reading has ended as the oracle has it, and the account says so."""
        print(self.oracle.summary())
        problems = [*self._wrong_rows(), *self._wrong_counts(), *self._not_kept()]
        for command in ("etl reconcile", "etl reconcile --deep"):
            status, said = self.etl(command)
            if status:
                problems.append(f"{command}: {said}")
        assert problems == [], [
            after,
            f"seed {self.rig.seed}",
            str(self.oracle.contract),
            *problems,
        ]

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
        raw, seen = self.raw(), set[str]()
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
        lost = {
            row[:-1] for _, row in self.oracle.accepted() if not self.oracle.is_kept(row, table)
        }
        if missing := lost - kept:
            wrong.append(f"{len(missing)} of {len(lost)} readings that lost are nowhere, such as "
                         f"{next(iter(missing))}")  # fmt: skip
        return wrong

    def _export(self, what: str) -> list[dict[str, Any]]:
        file = self.rig.state.parent / f"{what}.ndjson"
        status, said = self.etl(f"etl {what} export -o {shlex.quote(str(file))} --overwrite")
        assert status == 0, said
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

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

    def raw(self) -> dict[str, dict[str, bytes]]:
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

    def put(self, key: str, body: bytes) -> None:
        self.rig.client("s3").put_object(Bucket=self.rig.target.bucket, Key=key, Body=body)
