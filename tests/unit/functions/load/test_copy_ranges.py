import io

from hypothesis import given
from hypothesis import strategies as st

from functions.load.source import RangeReader, StoredCopy, merge_ranges
from tests.fixtures.aws_fakes import BUCKET, FakeAws

CONTENT = bytes(range(200))
RANGES = st.lists(st.integers(0, 200), max_size=12).map(
    lambda cuts: list(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
)


def read_all(reader, size):
    parts = []
    while part := reader.read(size):
        parts.append(part)
    return b"".join(parts)


@given(ranges=RANGES, size=st.sampled_from([1, 7, 64, -1]), shuffled=st.randoms())
def test_exactly_the_bytes_of_the_ranges_are_read(ranges, size, shuffled):
    expected = b"".join(CONTENT[start:end] for start, end in ranges)
    shuffled.shuffle(ranges)
    assert read_all(RangeReader(io.BytesIO(CONTENT), merge_ranges(ranges)), size) == expected


def test_neighbours_become_one_range():
    assert merge_ranges([(5, 9), (0, 5), (12, 12), (20, 21)]) == [(0, 9), (20, 21)]


def test_a_shorter_object_ends_the_stream():
    assert read_all(RangeReader(io.BytesIO(b"abc"), [(1, 9), (12, 20)]), 4) == b"bc"


def test_a_stored_object_is_read_with_one_request(aws: FakeAws):
    aws.s3.objects["copy/b.csv"] = CONTENT
    with StoredCopy(BUCKET, "copy/b.csv").open([(150, 160), (20, 30)]) as stream:
        assert read_all(stream, 4) == CONTENT[20:30] + CONTENT[150:160]
    with StoredCopy(BUCKET, "copy/b.csv").open(None) as stream:
        assert read_all(stream, 64) == CONTENT
    assert aws.s3.calls == ["get_object", "get_object"]
