"""A pipeline in one process whose devices can be erased: real Transform, Load and PostgreSQL."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl

from etl.operations.erasure import ErasureRecord, erase_device, plan_erasure
from etl.operations.receipts import Acknowledgements, Receipt, message_digest, write_receipt
from etl.operations.reconciliation import Reconciliation, gather
from etl.operations.report_markdown import as_markdown
from functions.load.batch import groups_of, parse_batch
from functions.load.loading import Loaded, load_batch
from functions.load.source import RangeReader, merge_ranges
from functions.migrate.analytics import bring_up_to_date
from functions.migrate.erasure import erase, parse_erasure
from functions.transform.handler import transform
from telemetry.contract import Contract, ContractSet
from telemetry.errors import BatchMissingError
from telemetry.layout import outcome_key, parse_raw_key, raw_key, report_key
from telemetry.reports import report_body, unpack
from tests.fixtures.aws_fakes import FakeS3, FakeSqs, FakeStates, etag
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase, timestamp

DAY = "raw/2026/11/23/run"
FLEET = replace(CONTRACT, readings=("readings",))
Element = tuple[str | None, int | None, Any]
"""Device, second (none: a reject) and value."""
Message = tuple[str, Sequence[Element]]
"""Client and its readings."""


class VersionedS3(FakeS3):
    """A bucket that keeps old versions, as the data bucket does."""

    def __init__(self) -> None:
        super().__init__()
        self.old: dict[str, list[bytes]] = {}

    def put_object(self, *, Key: str, **members: Any) -> dict[str, Any]:
        before = self.objects.get(Key)
        answer = super().put_object(Key=Key, **members)
        if before is not None:
            self.old.setdefault(Key, []).append(before)
        return answer

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return {**super().head_object(Bucket=Bucket, Key=Key), "ETag": etag(self.objects[Key])}

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> None:
        self.enter("delete_object")
        if VersionId is None:
            if Key in self.objects:
                self.old.setdefault(Key, []).append(self.objects.pop(Key))
        else:
            kept = [body for body in self.old.get(Key, []) if etag(body) != VersionId]
            self.old[Key] = kept
        self.leave("delete_object")

    def get_paginator(self, name: str) -> Any:
        if name == "list_object_versions":
            return SimpleNamespace(paginate=self._versions)
        return super().get_paginator(name)

    def _versions(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        self.enter("list_object_versions")
        yield {
            "Versions": [
                {"Key": key, "VersionId": etag(body), "IsLatest": False}
                for key, bodies in self.old.items()
                for body in bodies
                if key.startswith(Prefix)
            ]
        }

    def everything(self) -> bytes:
        """All bytes that the bucket holds, old versions included, unpacked as far as they can be."""
        bodies = [*self.objects.values(), *(body for kept in self.old.values() for body in kept)]
        return b"\n".join(_unpacked(body) for body in bodies)


def _unpacked(body: bytes) -> bytes:
    text = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    if body.startswith(b"PAR1"):
        text = pl.read_parquet(io.BytesIO(body)).write_csv().encode()
    return text + b"\n".join(_payloads(text)) + _groups(text)


def _groups(text: bytes) -> bytes:
    """The groups that a report holds, which name devices."""
    try:
        return unpack(json.loads(text)["copy"]["groups"])
    except (ValueError, KeyError, TypeError):
        return b""


def _payloads(text: bytes) -> Iterator[bytes]:
    for line in text.splitlines():
        try:
            yield base64.b64decode(json.loads(line)["payload"])
        except (ValueError, KeyError, TypeError):
            continue


class Queues(FakeSqs):
    """Two dead-letter queues and the telemetry queue, all in one: nobody asks for two at once."""

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        number = self.left if QueueUrl == "dead" else 0
        return {"Attributes": {"ApproximateNumberOfMessages": str(number)}}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        self.enter("delete_message")
        self.in_flight.pop(ReceiptHandle)
        self.leave("delete_message")

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> None:
        for entry in Entries:
            if entry["ReceiptHandle"] in self.in_flight:
                self.visible.append(self.in_flight.pop(entry["ReceiptHandle"]))


def payload_of(elements: Sequence[Element]) -> bytes:
    readings = [
        {"device_id": device, "ts": None if second is None else timestamp(second), "value": value}
        for device, second, value in elements
    ]
    return json.dumps({"readings": readings}, separators=(",", ":")).encode()


class ErasablePipeline:
    """Raw objects, what was made of them, and the table."""

    def __init__(
        self,
        database: TelemetryDatabase,
        state: Path,
        contract: Contract = FLEET,
        further: Sequence[Contract] = (),
    ) -> None:
        self.database, self.state, self.contract = database, state, contract
        self.further = tuple(further)
        self.s3, self.sqs, self.states = VersionedS3(), Queues(), FakeStates()
        self.keys: list[str] = []

    @property
    def contracts(self) -> ContractSet:
        return ContractSet.of([self.contract, *self.further])

    @property
    def target(self) -> Any:
        clients = {"s3": self.s3, "sqs": self.sqs, "stepfunctions": self.states}
        urls = {"QueueUrl": "main", "DeadLetterQueueUrl": "dead", "RuleErrorQueueUrl": "errors"}
        return SimpleNamespace(
            client=clients.__getitem__, bucket="data", contract=self.contract, contracts=self.contracts,
            state=self.state,
            connect=self.database.connect_loader, invoking_client=lambda: self,
            outputs={"MigrateFunctionName": "migrate", "StateMachineArn": "machine", **urls},
        )  # fmt: skip

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        """The migrate function."""
        event = json.loads(Payload)
        self.s3.enter("invoke")
        with closing(self.database.connect_owner()) as connection:
            if "erase" in event:
                contract = self.contracts.named(event.get("contract", self.contract.name))
                asked = parse_erasure(event["erase"])
                if (name := self.contracts.key_name(contract)) is not None:
                    asked = replace(asked, request=f"{asked.request}.{name}")
                answer = erase(connection, contract, asked, 60.0)
            else:
                answer = {"left": bring_up_to_date(connection, self.contract, 60.0)}
        self.s3.leave("invoke")
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    def stage(self, name: str, messages: Sequence[Message], contract: str | None = None) -> str:
        """Puts a raw object, as Extract does. Batches arrive one after the other, so that a message
        that is left out of one changes nothing about the order of the others."""
        first = 1000 * len(self.keys)
        lines = [self.line(f"{name}-{n}", client, payload_of(elements), first + n)
                 for n, (client, elements) in enumerate(messages)]  # fmt: skip
        key = raw_key(f"{DAY}/", name, len(lines), contract)
        self.s3.objects[key] = gzip.compress(b"".join(lines), mtime=0)
        self.keys.append(key)
        return key

    @staticmethod
    def line(message_id: str, client: str, payload: bytes, number: int = 0) -> bytes:
        envelope = {
            "message_id": message_id, "topic": f"telemetry/fleet/{client}", "client_id": client,
            "received_at": 1_795_414_200_000 + number,
            "payload": base64.b64encode(payload).decode(),
        }  # fmt: skip
        return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"

    def publish(self, messages: Sequence[Message], contract: str | None = None) -> None:
        """Writes the receipt of a publisher."""
        sent = Acknowledgements()
        for client, elements in messages:
            digest = message_digest(client, payload_of(elements), contract)
            sent.add(digest, len(elements))
        name = "p" if contract is None else f"p-{contract}"
        receipt = Receipt(name, "simulate", "2026-11-23", sent.messages, sent.readings,
                          digests=True, contract=self.contract.digest,
                          of_contract=contract)  # fmt: skip
        write_receipt(self.s3, "data", receipt, sent)  # type: ignore[arg-type]

    def load(self, key: str, purpose: str = "load", verdict: str = "pass") -> Loaded:
        """Transform, Validate's verdict, and Load."""
        raw = parse_raw_key(key)
        contract = self.contracts.of_key(raw.contract if raw else None) or self.contract
        objects, report = transform(gzip.decompress(self.s3.objects[key]), contract, key, "run")
        for stored in objects:
            self._put(stored.key, stored.body)
        report |= {"verdict": verdict, "findings": []}
        name = report_key(report["batch_id"])
        self._put(name, report_body(report))
        self._put(name.removesuffix(".json") + ".md", as_markdown(report).encode())
        event = {"verdict": verdict, "execution": "run", "purpose": purpose}
        batch = parse_batch(event, report_body(report))
        groups = groups_of(batch, self.s3.objects.__getitem__)
        assert batch.groups is not None
        with closing(self.database.connect_loader()) as connection:
            loaded = load_batch(connection, contract, batch, _Copy(self, batch),
                                lambda: groups, objects=self.open)  # fmt: skip
        self._put(
            outcome_key(key, "run", loaded.entry.status), json.dumps(vars(loaded.entry)).encode()
        )
        return loaded

    def _put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="data", Key=key, Body=body)

    @contextmanager
    def open(
        self, key: str, *, start: int = 0, end: int | None = None, last: int | None = None
    ) -> Iterator[Any]:
        if key not in self.s3.objects:
            raise BatchMissingError(f"{key} does not exist.")
        body = self.s3.objects[key]
        yield io.BytesIO(body[-last:] if last is not None else body[start:end])

    def forget(self, device: str, *, whole: bool = False) -> ErasureRecord:
        return erase_device(self.target, plan_erasure(self.target, device), whole=whole)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.database.query(
            "SELECT device_id, ts::text, value FROM telemetry.readings ORDER BY 1, 2"
        )

    def tables_with(self, text: str) -> list[str]:
        """The tables of our schemas in which a row holds the text anywhere."""
        tables = self.database.query(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
            "WHERE table_schema IN ('telemetry', 'etl') ORDER BY 1"
        )
        find = "SELECT count(*) FROM {} AS t WHERE t::text LIKE %s"
        return [t for (t,) in tables if self.database.query(find.format(t), f"%{text}%")[0][0]]

    def clean(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            key: pl.read_parquet(io.BytesIO(body)).rows()
            for key, body in self.s3.objects.items()
            if key.startswith("clean/")
        }

    def rejects(self) -> list[tuple[str, tuple[str, ...], str | None]]:
        """Batch, reasons and the reading of each reject."""
        found = []
        for key, body in self.s3.objects.items():
            if key.startswith("rejected/"):
                lines = map(json.loads, gzip.decompress(body).splitlines())
                found += [(key, tuple(one["reasons"]), one.get("reading")) for one in lines]
        return sorted(found, key=str)

    def conflicts(self) -> list[tuple[Any, ...]]:
        return self.database.query(
            "SELECT batch_id, lost, key::text, reading::text FROM etl.conflicts ORDER BY 1, 2, 3, 4"
        )

    def ledger(self) -> list[tuple[Any, ...]]:
        return self.database.query(
            "SELECT batch_id, read, accepted, duplicates, conflicts, rejected, set_aside, forgotten, "
            "inserted, updated, unchanged, conflicts_in_table, inserted_before "
            "FROM etl.ledger ORDER BY 1"
        )

    def reconcile(self) -> Reconciliation:
        return gather(self.target)


class _Copy:
    def __init__(self, pipeline: ErasablePipeline, batch: Any) -> None:
        size = batch.copy_checksum.size if batch.copy_checksum else 0
        self._content = pipeline.s3.objects[batch.copy_key][:size]

    @contextmanager
    def open(self, ranges: Any) -> Iterator[Any]:
        stream = io.BytesIO(self._content)
        yield stream if ranges is None else RangeReader(stream, merge_ranges(ranges))
