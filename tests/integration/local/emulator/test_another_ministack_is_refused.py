"""The emulator does not start with a MiniStack that the patches were not written for."""

from __future__ import annotations

import subprocess

import pytest

from local.emulator.compatibility import PINNED
from local.emulator.launcher import default_python

START = """
import sys
sys.path.insert(0, ".")
from importlib import metadata
from ministack.services import iot, sqs
{change}
from local.emulator import start
start.main()
"""
OTHER_VERSION = "metadata.version = lambda name: '9.8.7'"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("del sqs._collect_msgs", " without ministack.services.sqs._collect_msgs: "),
        ("del sqs._HANDLERS['DeleteMessage']", "ministack.services.sqs._HANDLERS[DeleteMessage]"),
        ("del iot._MtlsAcceptor", "ministack.services.iot._MtlsAcceptor.connection_made"),
        (OTHER_VERSION, "but its environment has 9.8.7: "),
        (f"{OTHER_VERSION}; del sqs._Err", "has 9.8.7 without ministack.services.sqs._Err: "),
    ],
)
def test_one_sentence_names_the_version_and_what_is_missing(change: str, found: str) -> None:
    program = [str(default_python()), "-c", START.format(change=change)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3, done.stderr
    (sentence,) = done.stderr.splitlines()
    assert f"need ministack {PINNED}, " in sentence
    assert found in sentence
    assert done.stdout == ""
