"""The messages of a file as they are published: their payloads, readings, clients and topics.

::

    samples (etl/authoring)   the one reader of files, which infer and check use as well
    Addressing                the client and topic of each message
    outgoing_messages         the payloads; lines of one client may share a message

A device may publish only to topics with its own name in the device's level, so the topic decides
the client. Where the contract's topic has no such level, each client may publish to all of them.
Messages of one device always have the same client.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from etl.authoring.decoding import as_json
from etl.authoring.samples import Message, SampleError, read_messages
from functions.transform.careful import CarefulReader
from functions.transform.extraction_plan import make_plan
from functions.transform.formats.payload_decoder import PayloadDecoder, is_decoded
from functions.transform.parts import member
from local.devices.encoding import as_sent
from local.devices.fleet import device_topic
from local.devices.mqtt import MESSAGE_BYTES as LARGEST_PAYLOAD
from local.devices.mqtt import MessageTooLargeError
from telemetry.contract.model import Contract, MemberPath
from telemetry.errors import UserError

__all__ = [
    "MESSAGE_BYTES",
    "Addressing",
    "AddressingError",
    "OutgoingMessage",
    "ReadingCounter",
    "outgoing_messages",
    "read_file",
]

MESSAGE_BYTES = 120 * 1024
"""Largest payload to make, which leaves room for the topic: AWS IoT takes 128 KB per message
(AWS IoT Core message broker limits, AWS General Reference, read 2026-11)."""
GZIP = b"\x1f\x8b"

_THING = re.compile(r"[A-Za-z0-9:_-]{1,128}")
"""Names of things (AWS IoT API, CreateThing, read 2026-11)."""
_NO_WILDCARD = re.compile(r"[^+#\0]*")
_NOT_OF_A_THING = re.compile(r"[^A-Za-z0-9:_-]")


class AddressingError(UserError):
    """Raised when no device of the contract can have the client or the topic that was asked for."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to publish; ``client`` is a client id and the name of a thing."""

    client: str
    topic: str
    payload: bytes
    readings: int


@dataclass
class Addressing:
    """The client and topic of each message of a file.

    ``device`` is the client of all messages. ``topic`` is the topic of all messages, or the
    contract's own filter, so that topics of a recording are ignored. Raises
    :class:`AddressingError` where the policy of the devices would refuse them.
    """

    contract: Contract
    connections: int = 4
    """Clients that share the devices of messages without a topic."""
    topic: str | None = None
    device: str | None = None
    readdressed: dict[str, str] = field(default_factory=dict)
    """Topics of the file that no device of the contract can publish to, with those used instead."""

    def __post_init__(self) -> None:
        self._filter = self.contract.topic_filter
        self._fixed: str | None = None
        """Topic of all messages."""
        self._clients: dict[str, str] = {}
        self._own = self.topic is None and self.device is None
        if self.device is not None and not _THING.fullmatch(self.device):
            raise AddressingError(
                f"{self.device!r} can't be a device's name: use up to 128 letters, digits, _ : -"
            )
        if self.topic is None or self.topic in (self.contract.topic, self._filter.mqtt):
            return
        self._fixed = self.topic
        named = self._filter.device_of(self.topic)
        if not self._may_be_sent(self.topic) or self.device not in (None, named or self.device):
            place = self._filter.device_place
            its_own = (
                "" if place is None else f", with its own name for {self._filter.levels[place]}"
            )
            raise AddressingError(
                f"no device can publish to {self.topic!r}: by contract '{self.contract.name}' each "
                f"device has the topic {self.contract.topic!r}{its_own}"
            )
        self.device = self.device or named

    def address(self, message: Message, device: str | None) -> tuple[str, str]:
        """Client and topic of a message; ``device`` is that of its readings where it is known."""
        if self.device is None and self._own and message.topic is not None:
            if not self._may_be_sent(message.topic):
                return self._readdress(message, device)
            named = self._filter.device_of(message.topic)
            return named or self._client(message, device), message.topic
        client = self.device or self._client(message, device)
        return client, self._fixed or device_topic(self.contract, client)

    def _client(self, message: Message, device: str | None) -> str:
        """The client of a message whose topic doesn't name it."""
        if message.client_id:
            return _thing_name(message.client_id)
        number = len(self._clients) % self.connections + 1
        return self._clients.setdefault(device or "", f"publisher-{number:02d}")

    def _may_be_sent(self, topic: str) -> bool:
        """True if a device of the contract can publish to the topic."""
        if not _NO_WILDCARD.fullmatch(topic):
            return False
        if self._filter.device_place is None:
            return self._filter.matches(topic)
        return _THING.fullmatch(self._filter.device_of(topic) or "") is not None

    def _readdress(self, message: Message, device: str | None) -> tuple[str, str]:
        topic = message.topic or ""
        named = self._filter.device_place is not None
        client = _thing_name(topic) if named else self._client(message, device)
        self.readdressed[topic] = device_topic(self.contract, client)
        return client, self.readdressed[topic]


def _thing_name(text: str) -> str:
    """A thing's name from any text: the text itself, or a readable one that no other text has."""
    if _THING.fullmatch(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{_NOT_OF_A_THING.sub('-', text)[:100]}-{digest}"


def read_file(path: Path, contract: Contract) -> Iterable[Message]:
    """The messages of a whole file, of which each can be sent.

    The file is read once to its end, so that nothing of a file that is damaged at its end is sent.
    What is not a regular file (``-`` is standard input) can be read only once; its messages are
    kept in memory. Raises :class:`SampleError`, ``MessageTooLargeError`` and ``OSError``.
    """
    messages = _Again(path) if path.is_file() else list(read_messages(path))
    number = 0
    for number, message in enumerate(messages, 1):
        if len(message.payload) > LARGEST_PAYLOAD:
            size = len(_wire_payload(contract, message.payload))
            if size > LARGEST_PAYLOAD:
                raise MessageTooLargeError(
                    f"{path}, message {number}: its {size:,} bytes are more than the "
                    f"{LARGEST_PAYLOAD:,} that AWS IoT takes: send its readings in several messages"
                )
    if not number:
        raise SampleError(f"{path}: no message found; write one JSON object per line")
    return messages


@dataclass(frozen=True)
class _Again:
    """The messages of a file, read again by each iteration."""

    path: Path

    def __iter__(self) -> Iterator[Message]:
        return read_messages(self.path)


def outgoing_messages(
    messages: Iterable[Message], addressing: Addressing, readings_per_message: int = 1
) -> Iterator[OutgoingMessage]:
    """Yields what to publish, in the order of the file but for messages that are shared.

    Where several readings share a message, lines of one client and topic are put into the
    contract's array unchanged. A line that is not a JSON object, or that is too large to share a
    message, becomes a message of its own, so that it harms no other reading.
    """
    contract = addressing.contract
    content = _Content(contract)
    wrap = contract.readings if readings_per_message > 1 else None

    def outgoing(address: tuple[str, str], payload: bytes, readings: int) -> OutgoingMessage:
        return OutgoingMessage(*address, _wire_payload(contract, payload), readings)

    if not wrap:
        for message in messages:
            readings, device = content.of_message(message)
            yield outgoing(addressing.address(message, device), message.payload, readings)
        return
    shared: dict[tuple[str, str], _SharedMessage] = {}
    for message in messages:
        line = message.payload
        parsed = _parse(line) if len(line) <= MESSAGE_BYTES // 2 else None
        if not isinstance(parsed, dict):
            readings, device = content.of_message(message)
            yield outgoing(addressing.address(message, device), line, readings)
            continue
        address = addressing.address(message, content.device_of_line(parsed))
        pending = shared.setdefault(address, _SharedMessage(wrap))
        if pending.is_full(line, readings_per_message):
            yield outgoing(address, *pending.take(content))
        pending.add(line)
    for address, pending in shared.items():
        yield outgoing(address, *pending.take(content))


class _SharedMessage:
    """Lines of one client on their way into one message."""

    def __init__(self, path: MemberPath) -> None:
        self._head, self._tail = b"[", b"]"
        for step in reversed(path):
            if isinstance(step, int):
                self._head = b"[" + b"null," * max(step, 0) + self._head
                self._tail += b"]" if step >= 0 else b",null" * (-1 - step) + b"]"
            else:
                self._head = b"{" + json.dumps(step).encode() + b":" + self._head
                self._tail += b"}"
        self._lines: list[bytes] = []
        self._size = 0

    def is_full(self, line: bytes, most: int) -> bool:
        return len(self._lines) >= most or self._size + len(line) > MESSAGE_BYTES

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line) + 1

    def take(self, content: _Content) -> tuple[bytes, int]:
        """The payload and its number of readings; the next message begins empty."""
        lines, self._lines, self._size = self._lines, [], 0
        payload = self._head + b",".join(lines) + self._tail
        if content.one_reading_a_line:
            return payload, len(lines)
        return payload, content.of_message(Message(payload))[0]


class _Content:
    """Counts the readings of messages as the contract takes these apart, and finds their device."""

    def __init__(self, contract: Contract) -> None:
        plan = make_plan(contract)
        self._reader = CarefulReader(plan)
        self._contract = contract
        self._decoder = PayloadDecoder(replace(contract, compression=None))
        self._topic = device_topic(contract, "publisher")
        self.one_reading_a_line = contract.melt is None and not contract.only
        self._path: MemberPath | None = None
        """Path of the device's name in a reading."""
        self._place: int | None = None
        """Its place among the texts of a reading."""
        for column in map(contract.column, contract.key):
            source = column.sources[0]
            if source.scope in ("reading", "message") and column.type != "timestamp":
                self._place = plan.names.index(plan.place(source, column))
                self._path = source.path if source.scope == "reading" else None
                break

    def of_message(self, message: Message) -> tuple[int, str | None]:
        """Number of readings, 1 where the contract can't read the message; and the first device."""
        found = self._readings(message, _wire_payload)
        if found is None or self._place is None:
            return 1 if found is None else len(found), None
        devices = (r.values[self._place] for r in found if r.fault is None)
        return len(found), next(devices, None)

    def of_sent(self, payload: bytes, topic: str) -> int:
        """Number of readings of a payload as it is sent, 1 where the contract can't read it."""
        found = self._readings(Message(payload, topic=topic), lambda _, sent: sent)
        return 1 if found is None else len(found)

    def _readings(
        self, message: Message, sent: Callable[[Contract, bytes], bytes]
    ) -> list[Any] | None:
        """The readings; ``None`` where the contract can't read the message."""
        try:
            found = self._reader.read(self._json(message, sent).decode())
        except (UnicodeDecodeError, OSError, EOFError):
            return None
        return None if isinstance(found, str) else list(found)

    def _json(self, message: Message, sent: Callable[[Contract, bytes], bytes]) -> bytes:
        """The JSON that Transform reads of the payload as it is sent."""
        if not is_decoded(self._contract):
            return _inflated(message.payload)
        payload = _inflated(sent(self._contract, message.payload))
        topic = message.topic or self._topic
        return as_json(self._decoder, replace(message, payload=payload, topic=topic))

    def device_of_line(self, reading: object) -> str | None:
        """The device of a line that is one reading; ``reading`` is its parsed JSON."""
        found = None if self._path is None else member(reading, self._path)
        return None if found is None else str(found)


class ReadingCounter:
    """Counts the readings of messages that were made for another contract."""

    def __init__(self, contract: Contract) -> None:
        self._content = _Content(contract)

    def readings_of(self, payload: bytes, topic: str) -> int:
        """Number of readings of a payload as it is sent; 1 where the contract can't read it."""
        return self._content.of_sent(payload, topic)


def _wire_payload(contract: Contract, payload: bytes) -> bytes:
    """The payload as it is sent; one of a recording may be compressed already."""
    return payload if payload.startswith(GZIP) else as_sent(contract, payload)


def _inflated(payload: bytes) -> bytes:
    return gzip.decompress(payload) if payload.startswith(GZIP) else payload


def _parse(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
