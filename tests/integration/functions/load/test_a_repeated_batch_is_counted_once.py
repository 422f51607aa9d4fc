"""A batch that comes again: its outcome is the ledger's, and its readings are measured once."""

from __future__ import annotations

from functions.load import handler
from telemetry.layout import outcome_key
from tests.fixtures.aws_fakes import FakeAws, LambdaContext
from tests.integration.functions.load.test_the_load_function import EVENT, RAW_KEY, staged

__all__ = ["staged"]
REPLAY = {**EVENT, "execution": "replay", "verdict": "quarantine", "purpose": "replay"}


def test_a_replay_that_would_be_held_back_ends_as_the_ledger_says(staged: FakeAws, database):
    handler.handle(EVENT, LambdaContext())
    assert handler.handle(REPLAY, LambdaContext())["status"] == "loaded"
    assert outcome_key(RAW_KEY, "replay", "loaded") in staged.s3.objects
    assert outcome_key(RAW_KEY, "replay", "quarantined") not in staged.s3.objects


def test_readings_are_measured_once(staged: FakeAws, database, capsys):
    handler.handle(EVENT, LambdaContext())
    assert '"ReadingsRead"' in capsys.readouterr().out
    handler.handle(REPLAY, LambdaContext())
    assert '"ReadingsRead"' not in capsys.readouterr().out
