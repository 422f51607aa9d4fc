"""Bytes that are not those that were written are noticed, wherever they differ."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checksums import Checksum, ChecksummedStream, parse_checksum, verify
from telemetry.errors import BatchCorruptError

BODY = b"a,43.3\nb,43.4\n"
REMEDY = "Replay the batch from raw/one."
ALTERED = {
    "two bytes cut": BODY[:-2],
    "a byte flipped": BODY.replace(b"43.3", b"43.2"),
    "a line more": BODY + b"c,1\n",
    "empty": b"",
    "other order": b"b,43.4\na,43.3\n",
}


def test_a_checksum_is_what_sha256sum_prints():
    assert Checksum.of(BODY).as_dict() == {
        "bytes": 14,
        "sha256": hashlib.sha256(BODY).hexdigest(),
    }
    assert parse_checksum(Checksum.of(BODY).as_dict()) == Checksum.of(BODY)
    assert parse_checksum(None) is None


@pytest.mark.parametrize("found", ALTERED.values(), ids=ALTERED)
def test_an_altered_object_is_named_with_its_remedy(found):
    with pytest.raises(BatchCorruptError, match=r"copy/one.*should have 14 .*raw/one"):
        verify(found, Checksum.of(BODY), "copy/one", REMEDY)


def test_an_object_without_a_known_checksum_is_taken_as_it_is():
    assert verify(b"anything", None, "copy/one", REMEDY) == b"anything"


@given(body=st.binary(max_size=300), sizes=st.lists(st.integers(1, 90), max_size=5))
def test_a_stream_is_verified_however_far_it_was_read(body, sizes):
    def read(content: bytes) -> ChecksummedStream:
        stream = ChecksummedStream(io.BytesIO(content), Checksum.of(body), "copy/one", REMEDY)
        for size in sizes:
            stream.read(size)
        return stream

    read(body).verify()
    with pytest.raises(BatchCorruptError):
        read(body + b"x").verify()
    if body:
        with pytest.raises(BatchCorruptError):
            read(body[:-1]).verify()
