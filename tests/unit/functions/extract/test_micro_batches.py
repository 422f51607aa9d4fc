import gzip
import math

from hypothesis import given
from hypothesis import strategies as st

from functions.extract import batches
from functions.extract.batches import LARGE, Accumulator, BatchLimits, Line, compress


def messages(*sizes):
    return [Line(b"x" * (size - 1) + b"\n", f"r{place}") for place, size in enumerate(sizes)]


@given(
    sizes=st.lists(st.integers(1, 30), max_size=60),
    most_bytes=st.integers(1, 80),
    most_messages=st.integers(1, 9),
)
def test_every_message_is_in_one_batch_and_no_batch_is_too_large(sizes, most_bytes, most_messages):
    limits = BatchLimits(bytes=most_bytes, messages=most_messages, seconds=math.inf)
    accumulator = Accumulator(limits)
    full = [b for message in messages(*sizes) for b in accumulator.add([message])]
    found = [*full, *accumulator.rest()]
    assert [Line(line, r) for b in found for line, r in zip(b.lines, b.receipts, strict=True)] == (
        messages(*sizes)
    )
    for batch in found:
        assert 1 <= len(batch.lines) <= most_messages
        assert batch.size == sum(map(len, batch.lines))
        assert batch.size <= most_bytes or len(batch.lines) == 1
    assert accumulator.rest() == []


def test_a_batch_is_full_after_its_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(batches.time, "monotonic", lambda: now[0])
    accumulator = Accumulator(BatchLimits(seconds=5))
    assert accumulator.add(messages(3)) == []
    now[0] = 104.9
    assert accumulator.add(messages(3)) == []
    now[0] = 105.0
    assert [len(b.lines) for b in accumulator.add(messages(3))] == [3]


@given(st.lists(st.binary(max_size=50)))
def test_compressed_lines_come_back_and_are_the_same_every_time(lines):
    assert gzip.decompress(compress(lines)) == b"".join(lines)
    assert compress(lines) == compress(list(lines))


def test_the_archive_carries_no_time():
    assert compress([b"line\n"])[4:8] == b"\0\0\0\0"


def test_a_large_batch_is_compressed_faster_and_less():
    lines = [b"%d of %d\n" % (number * number, number) for number in range(400_000)]
    small, large = lines[:100_000], lines
    assert sum(map(len, small)) < LARGE <= sum(map(len, large))
    share = [len(compress(some)) / sum(map(len, some)) for some in (small, large)]
    assert share[0] < share[1]
    assert gzip.decompress(compress(large)) == b"".join(large)


def test_many_lines_are_one_archive_member():
    lines = [b"%d\n" % number for number in range(5000)]
    assert gzip.decompress(compress(lines)) == b"".join(lines)
    assert compress(lines).count(b"\x1f\x8b\x08") == 1
