"""The playground's requests: infer, check and save, each within its limits."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from dashboard.app import application
from dashboard.app_state import ControlRoom
from dashboard.playground import samples
from dashboard.playground.results import MOST_MESSAGES
from dashboard.playground.samples import SampleStore
from etl.authoring.check import check
from etl.authoring.infer import infer
from etl.authoring.samples import sample_of
from etl.authoring.toml_writer import write_contract
from telemetry.contract import parse_contract
from tests.fixtures.asgi import Reply, request
from tests.fixtures.stopped_room import stopped_room

PORT = 8710
HOSTILE = '<img src=x onerror="alert(1)">\u202e'
READINGS = [
    {"device_id": f"box-{n % 3}", "ts": f"2026-03-01T12:00:{n:02}Z", "temperature_c": 20 + n / 4,
     HOSTILE: n, "note": HOSTILE}
    for n in range(60)
]  # fmt: skip
MESSAGES = "\n".join(json.dumps(reading) for reading in READINGS).encode()
CONTRACT = """name = "lab"
topic = "lab/+"
[table]
name = "lab"
key = ["device_id", "ts"]
[columns.device_id]
type = "text"
required = true
max_length = 64
[columns.ts]
type = "timestamp"
required = true
[columns.temperature_c]
type = "float"
range = [-40, 30]
on_invalid = "null"
"""


@pytest.fixture(scope="module")
def room() -> Iterator[ControlRoom]:
    made = stopped_room()
    made.work.seconds = 240
    yield made
    made.close()


def send(
    room: ControlRoom, path: str, body: Any = b"", *, method: str = "POST", **headers: str
) -> Reply:
    """A request as the page's script sends it."""
    sent = {
        "host": f"127.0.0.1:{PORT}",
        "cookie": f"control-room-{PORT}={room.keys.session}",
        "x-form-key": room.keys.form,
    } | headers
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(application(room, PORT), method, path, content, sent)


def send_form(room: ControlRoom, action: str, **fields: str) -> Reply:
    """A request as a browser without scripts sends it."""
    body = urlencode({"form_key": room.keys.form} | fields).encode()
    return send(room, f"/playground/form/{action}", body, **{"x-form-key": ""})


def kept(room: ControlRoom, content: bytes = MESSAGES, name: str = "lab.ndjson") -> str:
    reply = send(room, f"/playground/sample?{urlencode({'name': name})}", content)
    assert reply.status == 200, reply.text
    return str(reply.json["sample"])


def figures(html: str) -> dict[str, int]:
    """The numbers at the top of the result."""
    found = re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([\d,]+)</dd>", html)
    return {name: int(count.replace(",", "")) for name, count in found}


def test_it_infers_what_the_command_infers(room: ControlRoom) -> None:
    reply = send(room, "/playground/infer", {"sample": kept(room)}).json
    sample = sample_of(MESSAGES, "lab.ndjson", MOST_MESSAGES)
    assert reply["contract"] == write_contract(infer(sample, "lab.ndjson", "lab.ndjson"))
    assert reply["name"] == "lab"
    assert reply["problems"] == []
    assert figures(reply["result"])["Rows"] == 60


def test_it_counts_what_the_command_counts(room: ControlRoom) -> None:
    more = [READINGS[0], READINGS[1] | {"temperature_c": -1}, {"device_id": "box-9"}, READINGS[50]]
    messages = MESSAGES + b"\n" + b"\n".join(json.dumps(one).encode() for one in more)
    body = {"sample": kept(room, messages), "contract": CONTRACT}
    reply = send(room, "/playground/check", body).json
    report = check(parse_contract(CONTRACT.encode(), "x"), sample_of(messages, "x", MOST_MESSAGES))
    found = figures(reply["result"])
    assert found["Readings"] == report.read == 64
    assert found["Rows"] == report.accepted == 60
    assert found["Repeats"] == report.duplicates == 2
    assert found["Conflicts"] == report.conflicts == 1
    assert found["Rejected"] == report.rejected == 1
    assert found["Values lost"] == sum(one.values for one in report.reasons) == 20
    assert "out_of_range:temperature_c" in reply["result"]
    assert "missing:ts" in reply["result"]
    assert f"Verdict: {report.verdict}." in reply["said"]
    assert "2026-03-01 12:00:00" in reply["rows"]
    assert "NULL" in reply["rows"]


def test_a_problem_has_its_line_and_no_result(room: ControlRoom) -> None:
    body = {"sample": kept(room), "contract": CONTRACT.replace("timestamp", "tiemstamp")}
    reply = send(room, "/playground/check", body).json
    assert [problem["line"] for problem in reply["problems"]] == [11]
    assert reply["result"] == reply["rows"] == ""
    assert "the first in line 11" in reply["said"]


def test_a_contract_is_checked_without_messages(room: ControlRoom) -> None:
    reply = send(room, "/playground/check", {"sample": None, "contract": CONTRACT}).json
    assert (reply["name"], reply["problems"], reply["result"]) == ("lab", [], "")


def test_names_and_values_of_devices_are_text(room: ControlRoom) -> None:
    reply = send(room, "/playground/infer", {"sample": kept(room)}).json
    for part in ("result", "rows", "notes", "problem_list"):
        assert "<img" not in reply[part], part
        assert "\u202e" not in reply[part], part
    assert "&lt;img" in reply["rows"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x00\x01\x02\x03" * 20, "a binary file"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (gzip.compress(MESSAGES)[:-20], "truncated or damaged gzip"),
        (b"[]\n", "no message found"),
    ],
)
def test_a_file_without_messages_is_refused_with_a_sentence(
    room: ControlRoom, content: bytes, sentence: str
) -> None:
    reply = send(room, "/playground/infer", {"sample": kept(room, content, "../../x/box.bin")})
    assert reply.status == 400
    assert sentence in reply.json["said"]
    assert "Traceback" not in reply.text
    assert "/x/" not in reply.json["said"]


def test_compressed_messages_are_read(room: ControlRoom) -> None:
    body = {"sample": kept(room, gzip.compress(MESSAGES)), "contract": CONTRACT}
    assert figures(send(room, "/playground/check", body).json["result"])["Readings"] == 60


def test_more_than_the_limit_is_refused(room: ControlRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = send(room, "/playground/sample?name=x", b"x" * (samples.MOST_BYTES + 1))
    assert reply.status == 400
    assert "use `etl contract infer`" in reply.json["said"]
    assert send(room, "/playground/sample?name=x", b" \n").status == 400


def test_the_newest_samples_are_kept_and_the_oldest_is_gone(room: ControlRoom) -> None:
    store = SampleStore()
    ids = [store.add("x", b"0123456789").id for _ in range(samples.MOST_SAMPLES)]
    store.get(ids[0])
    store.add("y", b"1")
    assert store.get(ids[0]).content == b"0123456789"
    with pytest.raises(samples.SampleGoneError):
        store.get(ids[1])
    for _ in range(10):
        store.add("large", bytes(samples.MOST_BYTES))
    assert store._size() <= samples.MOST_BYTES_KEPT
    reply = send(room, "/playground/check", {"sample": "unknown", "contract": CONTRACT})
    assert (reply.status, "drop or paste them again" in reply.json["said"]) == (400, True)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"contract": 1}', b'{"sample": "x"}', b"\xff"]
)
def test_a_request_of_another_form_is_refused(room: ControlRoom, body: bytes) -> None:
    for path in ("infer", "check", "save"):
        reply = send(room, f"/playground/{path}", body)
        assert (reply.status, list(reply.json)) == (400, ["error", "said"])


def test_half_of_a_surrogate_pair_is_answered(room: ControlRoom) -> None:
    body = {"sample": None, "contract": CONTRACT + '# \ud800\n[columns."\udfff"]\n'}
    reply = send(room, "/playground/check", body)
    assert reply.status == 200
    assert reply.json["problems"]


def test_nothing_is_done_without_the_key_of_the_form(
    room: ControlRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    body = {"name": "lab", "contract": CONTRACT}
    for key in ("", "guessed", "é"):
        reply = send(room, "/playground/save", body, **{"x-form-key": key})
        assert "earlier run" in reply.json["said"]
        form = send_form(room, "save", name="lab", contract=CONTRACT, form_key=key)
        assert (form.status, "earlier run" in form.text) == (400, True)
    assert list((tmp_path / "contracts").iterdir()) == []


def test_a_contract_is_saved_and_replaced_only_on_request(
    room: ControlRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()

    def save(text: str, **more: Any) -> Any:
        return send(room, "/playground/save", {"name": "lab", "contract": text} | more).json

    assert save(CONTRACT)["outcome"] == "saved"
    assert save(CONTRACT)["outcome"] == "unchanged"
    assert save("other")["outcome"] == "exists"
    assert (tmp_path / "contracts/lab.toml").read_text() == CONTRACT
    assert save("other", replace=True)["path"] == "contracts/lab.toml"
    assert (tmp_path / "contracts/lab.toml").read_text() == "other"
    assert [file.name for file in tmp_path.rglob("*.toml")] == ["lab.toml"]


def test_messages_are_never_written(
    room: ControlRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    send(room, "/playground/infer", {"sample": kept(room, gzip.compress(MESSAGES))})
    assert list(tmp_path.iterdir()) == []


def test_each_page_has_a_nonce_of_its_own(room: ControlRoom) -> None:
    nonces = set()
    for _ in range(2):
        page = send(room, "/playground", method="GET")
        found = re.search(r'data-nonce="([\w-]{20,})"', page.text)
        assert page.status == 200
        assert found
        policy = page.headers["content-security-policy"]
        assert f"style-src 'self' 'nonce-{found[1]}';" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        nonces.add(found[1])
    assert len(nonces) == 2


def test_it_works_without_scripts(
    room: ControlRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = send_form(room, "infer", messages=MESSAGES.decode())
    assert figures(page.text)["Rows"] == 60
    assert "name = &#34;messages&#34;" in page.text

    page = send_form(room, "check", messages=MESSAGES.decode(), contract=CONTRACT)
    assert figures(page.text)["Values lost"] == 19
    assert "etl up --contract lab.toml" in page.text

    broken = CONTRACT.replace("timestamp", "tiemstamp").replace("\n", "\r\n")
    page = send_form(room, "check", messages="", contract=broken)
    assert "Line 11" in page.text

    page = send_form(room, "save", name="lab", contract=CONTRACT)
    assert (page.status, "download the contract" in page.text) == (400, True)
    (tmp_path / "contracts").mkdir()
    page = send_form(room, "save", name="lab", contract=CONTRACT)
    assert "Saved as <code>contracts/lab.toml</code>" in page.text
    page = send_form(room, "save", name="lab", contract="# other")
    assert "Replace it" in page.text
    assert "Replace it" not in send_form(room, "replace", name="lab", contract="# other").text

    file = send_form(room, "download", name="../lab\r\nx: y", contract=CONTRACT)
    assert file.headers["content-disposition"] == 'attachment; filename="contract.toml"'
    assert file.text == CONTRACT
    assert send_form(room, "unknown").status == 400


def test_a_read_only_room_checks_and_does_not_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    room = stopped_room(read_only=True)
    room.work.seconds = 240
    try:
        assert send(room, "/playground/check", {"contract": CONTRACT}).status == 200
        body = {"name": "lab", "contract": CONTRACT}
        assert send(room, "/playground/save", body).status == 403
        assert send_form(room, "save", name="lab", contract=CONTRACT).status == 403
        page = send(room, "/playground", method="GET").text
        assert 'id="save"' not in page
        assert 'id="download"' in page
    finally:
        room.close()
    assert list((tmp_path / "contracts").iterdir()) == []
