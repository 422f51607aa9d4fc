"""The same contents give the same bytes, whenever, wherever and in whatever order."""

from __future__ import annotations

import os
import zipfile

import pytest

from layers.archive import Entry, files_below, unzipped_bytes, write_zip


def test_order_dates_and_permissions_of_the_files_do_not_matter(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "b.py").write_text("b = 1\n")
        (folder / "a.py").write_text("a = 1\n")
    os.utime(tmp_path / "two" / "a.py", (1, 1))
    (tmp_path / "two" / "b.py").chmod(0o600)
    write_zip(tmp_path / "one.zip", files_below(tmp_path / "one"))
    write_zip(tmp_path / "two.zip", reversed(list(files_below(tmp_path / "two"))))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_every_file_can_be_read_by_the_functions_user(tmp_path):
    write_zip(tmp_path / "a.zip", [Entry("a.py", b"a = 1\n")])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (info,) = archive.infolist()
    assert info.external_attr >> 16 == 0o100644
    assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_compiled_python_is_left_out(tmp_path):
    cache = tmp_path / "package" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "a.cpython-311.pyc").write_bytes(b"x")
    (tmp_path / "package" / "a.py").write_text("")
    assert [entry.name for entry in files_below(tmp_path)] == ["package/a.py"]


def test_the_same_name_twice_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="the same name twice"):
        write_zip(tmp_path / "a.zip", [Entry("a", b"1"), Entry("a", b"2")])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_middle_leaves_no_half_zip(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_zip(tmp_path / "a.zip", [Entry("a", b"1"), Entry("b", tmp_path / "gone")])
    assert list(tmp_path.iterdir()) == []


def test_size_is_counted_as_lambda_counts_it(tmp_path):
    write_zip(tmp_path / "a.zip", [Entry("a", b"x" * 1000), Entry("b", b"y" * 500)])
    assert unzipped_bytes(tmp_path / "a.zip") == 1500
