"""From an SQS body to an envelope: whatever the body is, nothing of it is lost."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.extract import envelope as module
from functions.extract.envelope import envelope_line, read_envelope

MEMBERS = {"message_id", "topic", "client_id", "received_at", "payload"}


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read(body: str):
    line = envelope_line("m-1", body)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    envelope = json.loads(line)
    assert envelope.keys() == MEMBERS
    assert envelope["message_id"] == "m-1"
    return envelope


def rule_body(**changed) -> str:
    body = {
        "payload": encode(b'{"a": 1}'),
        "topic": "telemetry/fleet/box-1",
        "client_id": "box-1",
        "received_at": 1795414200000,
    }
    return json.dumps({**body, **changed})


@given(
    payload=st.binary(max_size=200),
    topic=st.none() | st.text(st.characters(codec="utf-8")),
    client_id=st.none() | st.text(st.characters(codec="utf-8")),
    received_at=st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
)
def test_what_the_rule_wrote_is_passed_on(payload, topic, client_id, received_at):
    body = rule_body(
        payload=encode(payload), topic=topic, client_id=client_id, received_at=received_at
    )
    envelope = read(body)
    assert base64.b64decode(envelope["payload"], validate=True) == payload
    assert (envelope["topic"], envelope["client_id"], envelope["received_at"]) == (
        topic,
        client_id,
        received_at,
    )


@given(body=st.text() | st.text(st.characters(codec="utf-8")).map(json.dumps))
def test_any_other_body_is_the_payload(body):
    envelope = read(body)
    assert base64.b64decode(envelope["payload"]) == body.encode("utf-8", "surrogatepass")
    assert (envelope["topic"], envelope["client_id"], envelope["received_at"]) == (None,) * 3


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "not json",
        '{"a": 1',
        "[" * 100_000,
        '{"payload":' * 50_000,
        "1" * 10_000,
        rule_body(payload=None),
        rule_body(payload=7),
        rule_body(payload="not base64!"),
        rule_body(payload="YQ"),
        rule_body(payload="YQ==\n"),
        rule_body(payload="YQ==YQ=="),
        rule_body(payload="ÿ"),
        rule_body(topic=3),
        rule_body(client_id=["box"]),
        rule_body(topic="\ud800"),
        rule_body(received_at="1795414200000"),
        rule_body(received_at=1.5),
        rule_body(received_at=True),
        rule_body(received_at=2**63),
        rule_body().replace("1795414200000", "NaN"),
        rule_body().replace("1795414200000", "9" * 5000),
        rule_body().replace('"topic"', '"tropic"'),
        json.dumps({"payload": encode(b"{}"), "temperature": 3}),
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_what_the_rule_did_not_write_is_kept_whole(body):
    envelope = read(body)
    assert base64.b64decode(envelope["payload"]) == body.encode()
    assert (envelope["topic"], envelope["client_id"], envelope["received_at"]) == (None,) * 3


def test_members_that_the_rule_adds_later_do_no_harm():
    assert read(rule_body(principal="x"))["topic"] == "telemetry/fleet/box-1"


def test_the_payload_is_canonical_base64_whatever_the_spare_bits_were():
    assert read(rule_body(payload="YR=="))["payload"] == "YQ=="


def test_an_empty_payload_stays_empty():
    envelope = read(rule_body(payload=""))
    assert (envelope["payload"], envelope["client_id"]) == ("", "box-1")


WRITTEN = [
    rule_body(),
    rule_body(payload="YQ==", contract="status"),
    rule_body(payload="", topic=None).replace(": ", ":").replace(", ", ","),
]
FRAGMENTS = [*'"\\{}[],: =+/A', "==", "null", "payload", '"payload":"YQ==",', '"topic":', "é", "\ud800"]  # fmt: skip


@st.composite
def damaged_bodies(draw):
    """Bodies of a rule with up to three places of them replaced."""
    body = draw(st.sampled_from(WRITTEN))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 9))
        body = body[:start] + draw(st.sampled_from(FRAGMENTS)) + body[end:]
    return body


@given(body=damaged_bodies())
def test_a_payload_that_is_copied_gives_what_parsing_gives(body):
    copied = read_envelope("m-1", body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_split", lambda _body: None)
        assert read_envelope("m-1", body) == copied


@given(payload=st.binary(max_size=40))
def test_every_canonical_payload_is_copied(payload):
    assert module._split(rule_body(payload=encode(payload)))[0] == encode(payload).encode()


@pytest.mark.parametrize(
    "body",
    [
        rule_body(payload="YR=="),
        rule_body(payload="YWI"),
        rule_body(payload="Y=Q="),
        rule_body(payload="===="),
        rule_body(payload="éééé"),
        '{"payload":"YQ==",}',
        rule_body()[:-1] + ', "payload": "YQ=="}',
        rule_body()[:-1] + ', "payload": {}}',
    ],
)
def test_a_payload_in_doubt_is_parsed(body):
    assert module._split(body) is None
