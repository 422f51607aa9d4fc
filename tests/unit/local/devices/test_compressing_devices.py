"""Devices of a contract with ``compression`` send gzip, and Transform finds what they meant."""

from __future__ import annotations

import gzip
import itertools
from datetime import UTC, datetime
from pathlib import Path

from functions.transform.clean import clean
from local.devices.encoding import as_sent
from local.devices.fleet import SimulatedDevice
from telemetry.contract import load_contract, parse_contract
from tests.unit.functions.transform.envelopes_for import line

FLEET = Path("contracts/fleet.toml")
TEXT = FLEET.read_bytes().replace(b"[message]", b'[message]\ncompression = "gzip"')
COMPRESSING = parse_contract(TEXT, "fleet.toml")


def test_a_payload_is_sent_compressed_only_where_the_contract_says_so() -> None:
    sent = as_sent(COMPRESSING, b"{}")
    assert gzip.decompress(sent) == b"{}"
    assert sent == as_sent(COMPRESSING, b"{}")
    assert as_sent(load_contract(FLEET), b"{}") == b"{}"


def test_a_messy_compressing_fleet_knows_the_truth() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    device = SimulatedDevice(COMPRESSING, "box-1", 7, start, readings_per_message=8, mess=0.2)
    payloads = list(itertools.islice(device.messages(), 200))
    raw = b"\n".join(
        line(payload, number, topic="telemetry/fleet/box-1")
        for number, payload in enumerate(payloads)
    )
    batch = clean(raw, COMPRESSING)
    truth = device.truth
    assert (batch.rows.height, batch.duplicates) == (truth.rows, truth.duplicates)
    assert len(batch.rejects) == truth.rejected
    assert {"not_gzip", "not_utf8"} <= {reject.reasons[0] for reject in batch.rejects}
