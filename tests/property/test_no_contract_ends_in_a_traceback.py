"""Whatever is written in a contract, each command that reads it answers with rows or a sentence."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from random import Random

import pytest

from etl.authoring.check import check
from etl.authoring.diff import diff
from etl.authoring.regular_expressions import check_expressions
from etl.authoring.samples import Sample
from etl.authoring.samples.recordings import message_of
from etl.authoring.units import resolve_units
from etl.cli import contract_view
from etl.cli.terminal import SafeConsole
from telemetry.contract import Contract, load_contract, parse_contract
from telemetry.ddl import plan_table
from telemetry.errors import UserError
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.property.mutated_contracts import mutated_contract
from tests.property.random_payloads import random_lines

FLEET = load_contract(Path(__file__).parents[2] / "contracts" / "fleet.toml")
CONTRACTS = 500 if MANY_EXAMPLES else 100
SEED = int(os.environ.get("SEED") or 0)
GROUP = 50
LONGEST_MESSAGE = 60_000

pytestmark = SLOW_WITH_MANY


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_view, "console", SafeConsole(file=io.StringIO(), width=80))


@pytest.mark.parametrize("first", range(SEED, SEED + CONTRACTS, GROUP))
def test_each_contract_is_read_or_refused_in_a_sentence(first: int) -> None:
    for seed in range(first, first + GROUP):
        rng = Random(seed)
        text = mutated_contract(rng)
        try:
            sentence = refusal(text, rng)
        except Exception as error:
            error.add_note(f"the contract of seed {seed}:\n{text.decode(errors='replace')}")
            raise
        assert sentence is None or 0 < len(sentence) < LONGEST_MESSAGE, seed


def refusal(text: bytes, rng: Random) -> str | None:
    """The sentence with which a contract is refused; ``None`` where all commands take it."""
    try:
        contract = resolve_units(parse_contract(text, "random.toml"))
        check_expressions(contract)
        use(contract, rng)
    except UserError as error:
        return str(error)
    return None


def use(contract: Contract, rng: Random) -> None:
    """Does with a valid contract what the commands do."""
    contract_view.print_contract(contract, plan_table(contract, None))
    messages = [message_of(line)[0] for line in random_lines(rng, contract, 12)]
    checked = check(contract, Sample(tuple(messages), len(messages)))
    contract_view.print_report(checked)
    json.dumps(checked.as_dict())
    contract_view.print_difference(diff(FLEET, contract))
