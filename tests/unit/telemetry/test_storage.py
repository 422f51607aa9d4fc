import pytest

from telemetry import storage
from telemetry.errors import BatchMissingError, ConfigurationError, StorageUnavailableError
from tests.fixtures.aws_fakes import BUCKET, FakeAws, aws_error


def test_what_is_put_can_be_read_whole_and_in_part(aws: FakeAws):
    storage.put_object(BUCKET, "key", b"0123456789", "text/plain")
    assert storage.get_object(BUCKET, "key") == b"0123456789"
    with storage.open_object(BUCKET, "key", start=2, end=5) as stream:
        assert [stream.read(2), stream.read(2), stream.read(2)] == [b"23", b"4", b""]


def test_a_missing_object_is_a_missing_batch(aws: FakeAws):
    with pytest.raises(BatchMissingError, match="s3://data/raw/nothing does not exist"):
        storage.get_object(BUCKET, "raw/nothing")


def test_a_missing_bucket_is_a_wrong_setting(aws: FakeAws):
    aws.s3.fail("get_object", aws_error("NoSuchBucket", 404))
    with pytest.raises(ConfigurationError):
        storage.get_object(BUCKET, "raw/nothing")


def test_a_stream_that_breaks_off_is_an_outage(aws: FakeAws):
    aws.s3.objects["key"] = b"x" * 100
    aws.s3.break_reads_after = 60
    with pytest.raises(StorageUnavailableError):
        storage.get_object(BUCKET, "key")


def test_a_listing_goes_over_all_pages_in_order(aws: FakeAws):
    for number in range(5):
        aws.s3.objects[f"raw/{number}"] = b"x" * number
    aws.s3.objects["rawer/0"] = b""
    assert [(o.key, o.size) for o in storage.list_objects(BUCKET, "raw/")] == [
        (f"raw/{number}", number) for number in range(5)
    ]
    assert list(storage.list_objects(BUCKET, "nothing/")) == []
