"""A read of chosen ranges gives no more than it was asked for: that bounds the memory of a load."""

from __future__ import annotations

from functions.load.source import StoredCopy
from tests.fixtures.aws_fakes import BUCKET, FakeAws


def test_no_more_is_read_than_asked_for(aws: FakeAws):
    aws.s3.objects["copy"] = bytes(range(100))
    with StoredCopy(BUCKET, "copy").open([(10, 40), (60, 70)]) as stream:
        pieces = list(iter(lambda: stream.read(7), b""))
    assert b"".join(pieces) == bytes([*range(10, 40), *range(60, 70)])
    assert max(map(len, pieces)) == 7
