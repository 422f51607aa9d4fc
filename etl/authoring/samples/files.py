"""Opens a file of messages: inflates gzip and zstd by their signature, refuses other than text."""

from __future__ import annotations

import gzip
import io
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from etl.authoring.samples.message import SampleError

__all__ = ["STDIN", "opened", "opened_content"]

STDIN = Path("-")
"""Standard input instead of a file."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PEEK_BYTES = 64 << 10
MEMORY_BYTES = 16 << 20
"""Standard input up to this size stays in memory; more goes to a temporary file."""
ZSTD_BYTES = 4 << 10
"""Bytes inflated at once: at worst, 40,000 times as many come out."""
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"PAR1": "a Parquet file; write its rows as NDJSON or CSV first",
    b"SQLite format 3": "an SQLite database; write its rows as NDJSON or CSV first",
    b"%PDF": "a PDF document",
    b"BZh": "a bzip2 file; unpack it first, or use gzip or zstd",
    b"\xfd7zXZ": "an xz file; unpack it first, or use gzip or zstd",
}
UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The text of a file, inflated; it can be read again from its start.

    Raises :class:`SampleError` for what can't have messages in it: an empty or binary file, UTF-16,
    a device such as ``/dev/zero``, a damaged archive.
    """
    with _raw(path) as file, _text(file, path, MEMORY_BYTES) as text:
        yield text


@contextmanager
def opened_content(content: bytes, name: Path) -> Iterator[BinaryIO]:
    """The same for the content of a file; nothing is written to disk. Raises as :func:`opened`."""
    with _text(io.BytesIO(content), name, 0) as text:
        yield text


@contextmanager
def _text(file: BinaryIO, path: Path, in_memory: int) -> Iterator[BinaryIO]:
    try:
        with _inflated(file, path, in_memory) as text:
            _refuse_unreadable(text.read(PEEK_BYTES), path)
            text.seek(0)
            yield text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SampleError(f"{path}: truncated or damaged gzip file ({error})") from error


@contextmanager
def _inflated(file: BinaryIO, path: Path, in_memory: int) -> Iterator[BinaryIO]:
    begin = file.read(4)
    file.seek(0)
    if begin[:2] == GZIP:
        with gzip.open(file, "rb") as inflated:
            yield cast(BinaryIO, inflated)
    elif begin == ZSTD:
        with _unzstd(file, path, in_memory) as inflated:
            yield inflated
    else:
        yield file


@contextmanager
def _raw(path: Path) -> Iterator[BinaryIO]:
    if path != STDIN and not path.exists():
        raise SampleError(f"{path}: no such file")
    mode = None if path == STDIN else path.stat().st_mode
    if mode is not None and stat.S_ISREG(mode):
        with path.open("rb") as file:
            yield file
    elif mode is None or stat.S_ISFIFO(mode):  # a pipe can be read only once, so it is copied
        with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as copy:
            source = sys.stdin.buffer if mode is None else path.open("rb")
            while block := source.read(1 << 20):
                copy.write(block)
            copy.seek(0)
            yield cast(BinaryIO, copy)
    else:
        raise SampleError(f"{path}: not a file of messages")


@contextmanager
def _unzstd(file: BinaryIO, path: Path, in_memory: int) -> Iterator[BinaryIO]:
    """The inflated text, copied, because zstd's own reader can't go back to the start.

    More than ``in_memory`` bytes go to a temporary file; 0 keeps any size in memory.
    """
    try:
        import zstandard
    except ImportError as error:
        raise SampleError(f"{path}: zstd needs the package zstandard; or use gzip") from error
    with tempfile.SpooledTemporaryFile(in_memory) as copy:
        # Not with a stream_reader, which takes a truncated frame for a complete one.
        inflater = None
        try:
            while block := file.read(ZSTD_BYTES):
                while block:
                    inflater = inflater or zstandard.ZstdDecompressor().decompressobj()
                    copy.write(inflater.decompress(block))
                    block = inflater.unused_data if inflater.eof else b""
                    inflater = None if inflater.eof else inflater
        except zstandard.ZstdError as error:
            raise SampleError(f"{path}: truncated or damaged zstd file ({error})") from error
        if inflater is not None:
            raise SampleError(f"{path}: truncated zstd file; copy it again")
        copy.seek(0)
        yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, copy)))


def _refuse_unreadable(begin: bytes, path: Path) -> None:
    if not begin.strip(b"\xef\xbb\xbf \t\r\n"):
        raise SampleError(f"{path}: no message found; the file is empty")
    for signature, name in OTHER_FORMATS.items():
        if begin.startswith(signature):
            raise SampleError(f"{path}: {name}")
    if begin.startswith(UTF_32):
        raise SampleError(f"{path}: UTF-32 text; convert it first: iconv -f UTF-32 -t UTF-8")
    half = begin[: len(begin) // 2 * 2]
    if begin.startswith(UTF_16) or (
        b"\0" in half and (not half[::2].strip(b"\0") or not half[1::2].strip(b"\0"))
    ):
        raise SampleError(f"{path}: UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8")
    if b"\0" in begin:
        raise SampleError(f"{path}: a binary file; only text in UTF-8 can be read")
