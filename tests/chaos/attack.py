"""Damage to a pipeline with a wrong contract, and the repairs that the commands name."""

from __future__ import annotations

import gzip
import random
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from tests.chaos import judging
from tests.chaos.oracle import Oracle
from tests.chaos.rig import Rig
from tests.chaos.rounds import heal, unsettled
from tests.chaos.saboteur import Saboteur
from tests.chaos.traffic import line_of
from tests.chaos.wrong_contracts import Devices
from tests.chaos.wrong_pipeline import TABLE, WrongPipeline

__all__ = ["Attack"]

NEVER_SENT = 77.125
REPAIRS = 6
"""Commands that a repair may take, each named by the one before."""


class Attack(WrongPipeline):
    """What happens to a pipeline, and how an operator repairs it."""

    def __init__(
        self, rig: Rig, saboteur: Saboteur, oracle: Oracle, devices: Devices, rng: random.Random
    ) -> None:
        super().__init__(rig, saboteur, oracle)
        self.devices = devices
        self.rng = rng
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
        self.put(key, gzip.compress(b"\n".join(lines) + b"\n"))
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
        self._repair_as_named(command, damage.__name__)
        self.check(damage.__name__)

    def _repair_as_named(self, command: str, after: str) -> None:
        """What the command names, until it has nothing to name any more."""
        for _ in range(REPAIRS):
            status, said = self.etl(command)
            if status == 0:
                break
            commands = re.findall(r"^ +(etl .*)$", said, re.MULTILINE)
            assert commands, f"{after}: {said}"
            self.etl(f"{commands[0]} --yes" if "sweep" not in commands[0] else commands[0])
            self.rig.wait_until_idle()
        assert status == 0, f"{after}: {said}"

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
        key = self.rng.choice(sorted(self.raw()))
        return self._delete(key)

    def a_loss_hides_behind_a_surplus(self) -> Callable[[], None]:
        """A batch is gone from S3 and ledger; another of as many messages has no receipt."""
        key, messages = self.rng.choice(sorted(self.raw().items()))
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
        return lambda: self.put(key, body)

    def correct_the_key(self) -> None:
        """The key was too small: the corrected contract makes rows of all that lost."""
        contract = replace(self.oracle.contract, key=("uid", "device", "kind", "ts"), strict=False)
        self.oracle.contract = contract
        self.rig.contract.write_text(contract.toml(), encoding="utf-8")
        [(name,)] = self.query("SELECT conname FROM pg_constraint WHERE contype = 'p' "
                               f"AND conrelid = '{TABLE}'::regclass")  # fmt: skip
        self.sql(
            f"ALTER TABLE {TABLE} DROP CONSTRAINT {name}, ADD PRIMARY KEY (uid, device, kind, ts)"
        )
        self.rig.deploy(BATCH_MESSAGES="15")
        for command in ("etl replay --conflicts", "etl replay --reason conflict"):
            status, said = self.etl(f"{command} --yes")
            assert status == 0, said
        if contract.policy == "fill_missing":  # rows kept what others with the small key had filled
            self._repair_as_named("etl reconcile --deep", "the key is corrected")

    def _release(self) -> None:
        if any(one["status"] == "quarantined" for one in judging.ledger(self.rig).values()):
            status, said = self.etl("etl quarantine release --all --yes")
            assert status == 0, said
