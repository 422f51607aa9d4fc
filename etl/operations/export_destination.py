"""Places that an export is written to: a file, standard output, an object in S3.

A file or an object appears once it is complete, and not at all where the export fails.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, cast, get_args

from etl.operations.export_query import ExportFormat
from telemetry.errors import UserError

if TYPE_CHECKING:
    from etl.aws.target import Target

__all__ = ["Destination", "DestinationError", "parse_destination"]

STDOUT = "-"
S3 = "s3://"
EXPORTS = "exports/"
"""Folder of the pipeline's own bucket that no part of the pipeline reads."""
SUFFIXES: tuple[tuple[str, ExportFormat], ...] = (
    (".csv", "csv"), (".csv.gz", "csv"), (".parquet", "parquet"), (".pq", "parquet"),
)  # fmt: skip


class DestinationError(UserError):
    """Raised where an export can't be written to the place that was named."""


@dataclass(frozen=True)
class Destination:
    """One place; ``name`` is as the user wrote it."""

    name: str
    form: ExportFormat
    overwrite: bool = False

    @property
    def is_stdout(self) -> bool:
        """True for ``-``."""
        return self.name == STDOUT

    @property
    def _zipped(self) -> bool:
        return self.form == "csv" and self.name.endswith(".gz")

    def check(self, target: Target) -> None:
        """Raise :class:`DestinationError` where the place can't be written to, or has something."""
        if self.is_stdout:
            if sys.stdout.isatty():
                raise DestinationError(
                    "Rows hold what devices sent, which a terminal may obey: name a file, or "
                    "redirect standard output."
                )
            return
        if self.name.startswith(S3):
            bucket, key = _place(self.name)
            if bucket == target.bucket and not key.startswith(EXPORTS):
                raise DestinationError(
                    f"{bucket} is the pipeline's own bucket: it takes exports below {EXPORTS} only."
                )
            present = not self.overwrite and _is_object(target, bucket, key)
        else:
            path = Path(self.name)
            if not path.parent.is_dir():
                raise DestinationError(f"There is no folder {path.parent}.")
            if path.is_dir():
                raise DestinationError(f"{path} is a folder: name a file in it.")
            present = not self.overwrite and path.exists()
        if present:
            raise DestinationError(f"{self.name} exists: --overwrite replaces it.")

    @contextmanager
    def open(self, target: Target) -> Iterator[IO[bytes]]:
        """A binary file to write; what was written takes its place at the end of the block."""
        if self.is_stdout and self.form == "csv":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif self.is_stdout or self.name.startswith(S3):
            # A reader at the other end must not get half a file either.
            with NamedTemporaryFile(prefix="etl-export-") as file:
                with self._compressed(cast("IO[bytes]", file)) as out:
                    yield out
                file.flush()
                self._send(target, file.name)
        else:
            with self._beside(Path(self.name)) as out:
                yield out

    @contextmanager
    def _beside(self, path: Path) -> Iterator[IO[bytes]]:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                with self._compressed(file) as out:
                    yield out
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _compressed(self, file: IO[bytes]) -> Iterator[IO[bytes]]:
        if not self._zipped:
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file) as out:
            yield cast("IO[bytes]", out)

    def _send(self, target: Target, file: str) -> None:
        if self.is_stdout:
            with Path(file).open("rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        from boto3.exceptions import S3UploadFailedError

        bucket, key = _place(self.name)
        try:
            target.client("s3").upload_file(file, bucket, key)
        except S3UploadFailedError as error:
            raise DestinationError(f"{self.name} can't be written: {error}") from error


def parse_destination(name: str, form: str | None = None, *, overwrite: bool) -> Destination:
    """The place of that name, in a format, which the name says by its suffix.

    Raises :class:`DestinationError`.
    """
    named = name.lower()
    found = form or next((kind for end, kind in SUFFIXES if named.endswith(end)), None)
    if found is None and name == STDOUT:
        found = "csv"
    if found is None:
        raise DestinationError(f"{name}: end the name in .csv, .csv.gz or .parquet, or --format.")
    if found not in get_args(ExportFormat):
        raise DestinationError(f"--format {found}: use csv or parquet.")
    if name.startswith(S3):
        _place(name)
    return Destination(name, cast("ExportFormat", found), overwrite)


def _place(name: str) -> tuple[str, str]:
    bucket, _, key = name.removeprefix(S3).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise DestinationError(f"{name}: write s3://BUCKET/FOLDER/FILE.")
    return bucket, key


def _is_object(target: Target, bucket: str, key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        target.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return False
        raise
    return True


def _sync_folder(folder: Path) -> None:
    """Makes the new name last: the cursor that follows says that the file is there."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
