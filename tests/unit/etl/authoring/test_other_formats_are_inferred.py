"""Recordings that hold the bytes of payloads in other formats than JSON: inferred and checked."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cbor2
import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from functions.transform.formats.sparkplug import payload_class
from telemetry.contract import load_contract


def recording(folder: Path, payloads: list[bytes]) -> Path:
    file = folder / "raw.ndjson"
    lines = [
        json.dumps(
            {
                "message_id": f"m{number}",
                "topic": f"lab/box-{number % 3}",
                "client_id": f"box-{number % 3}",
                "received_at": 1772366400000 + number * 1000,
                "payload": base64.b64encode(payload).decode(),
            }
        )
        for number, payload in enumerate(payloads)
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def cbor(number: int) -> bytes:
    times = [1772366400 + number * 60 + at for at in (0, 30)]
    readings = [{"at": at, "t": 20.5 + number, "raw": b"\x00\xff"} for at in times]
    return cbor2.dumps({"dev": f"box-{number % 3}", "r": readings})


def sparkplug(number: int) -> bytes:
    message = payload_class()(timestamp=1772366400000 + number)
    for name in ("t", "h"):
        message.metrics.add(
            name=name, timestamp=1772366400000 + number, datatype=10, double_value=number + 0.5
        )
    return bytes(message.SerializeToString())


def influx(number: int) -> bytes:
    at = 1772366400 + number
    return f"w,dev=box t={number}.5,h=4i {at}\nw,dev=cup t={number}.75,h=5i {at}\n".encode()


@pytest.mark.parametrize(
    ("name", "payload", "readings"),
    [("cbor", cbor, "r"), ("sparkplug", sparkplug, "metrics"), ("influx", influx, None)],
)
def test_a_recording_of_bytes_is_inferred(
    name: str, payload: object, readings: str | None, tmp_path: Path
) -> None:
    assert callable(payload)
    file = recording(tmp_path, [payload(number) for number in range(30)])
    out = tmp_path / "mine.toml"
    inferred = CliRunner().invoke(
        app, ["contract", "infer", str(file), "--format", name, "-o", str(out)]
    )
    assert inferred.exit_code == 0, inferred.output
    contract = load_contract(out)
    assert (contract.format, contract.readings) == (name, (readings,) if readings else ())
    checked = CliRunner().invoke(app, ["contract", "check", str(out), str(file), "--json"])
    found = json.loads(checked.stdout)["sample"]
    assert (found["read"], found["accepted"], found["verdict"]) == (60, 60, "pass")


def test_a_format_that_needs_a_file_is_not_inferred(tmp_path: Path) -> None:
    file = recording(tmp_path, [b"x"])
    result = CliRunner().invoke(app, ["contract", "infer", str(file), "--format", "protobuf"])
    assert result.exit_code == 1
    assert "can't be inferred; use one of" in result.output
