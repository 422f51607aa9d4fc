"""Tests of a project check its contract against a sample and against random messages.

::

    from hypothesis import given
    from etl.testing import Messages, check_messages, check_sample, load_contract, messages

    CONTRACT = load_contract("contracts/plant.toml")

    def test_the_sample_is_loaded():
        assert check_sample(CONTRACT, "samples/plant.ndjson").rejected == 2

    @given(messages(CONTRACT))
    def test_every_reading_becomes_one_row(sent: Messages):
        assert check_messages(CONTRACT, sent).accepted == sent.rows

Both checks run the real Transform and quality gate, without the local stack. :func:`messages` needs
hypothesis: ``pip install 'telemetry-etl[testing]'``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.authoring.check import SampleReport, check
from etl.authoring.own_decoders import check_decoder
from etl.authoring.regular_expressions import check_expressions
from etl.authoring.samples import Message, Sample, read_sample
from etl.authoring.units import resolve_units
from local.devices.fleet import SimulatedDevice, Truth, can_simulate, device_topic
from telemetry.contract import Contract
from telemetry.contract import load_contract as _load
from telemetry.errors import UserError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "Messages",
    "NotSimulatedError",
    "SampleReport",
    "check_messages",
    "check_sample",
    "load_contract",
    "make_messages",
    "messages",
]

MOST_MESSAGES = 100_000
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 300
MOST_SEED = 2**32 - 1


class NotSimulatedError(UserError):
    """Raised for a contract whose messages have a shape that the simulated devices can't make."""


@dataclass(frozen=True)
class Messages:
    """Messages of one simulated device, and what must become of their readings."""

    payloads: tuple[bytes, ...]
    topic: str
    client_id: str
    readings: int
    rows: int
    """Readings that must each become a row."""
    duplicates: int
    """Readings that were sent before, equal in all their columns."""
    rejected: int
    """Readings, and broken messages, that must become rejects."""


def load_contract(path: str | Path) -> Contract:
    """The contract of a file, checked as `etl contract check` does. Raises ``ContractError``."""
    contract = resolve_units(_load(Path(path)))
    check_expressions(contract)
    check_decoder(contract)
    return contract


def check_sample(contract: Contract, *files: str | Path) -> SampleReport:
    """Clean the messages of files, and count the rows, the rejects and their reasons.

    Limits of a reading's age are left out where the files don't say when a message arrived.
    Raises ``SampleError`` for a file that can't be read, and ``OSError``.
    """
    return check(contract, read_sample([Path(file) for file in files], MOST_MESSAGES))


def check_messages(contract: Contract, sent: Messages) -> SampleReport:
    """Clean messages that were made, and count the rows, the rejects and their reasons."""
    kept = tuple(Message(payload, sent.topic, sent.client_id) for payload in sent.payloads)
    return check(contract, Sample(kept, len(kept)))


def make_messages(
    contract: Contract,
    *,
    seed: int = 1,
    count: int = 1,
    readings: int = 5,
    mess: float = 0.0,
    start: datetime = FIRST_DAY,
) -> Messages:
    """Messages of one simulated device; the same arguments give the same bytes.

    ``readings`` is how many each message has, where the contract has several in one; ``mess`` is
    the share of messages, and of readings, that are messy (0 to 1). Readings are a second apart
    from ``start`` on. Raises :class:`NotSimulatedError`.
    """
    if not can_simulate(contract):
        raise NotSimulatedError(
            f"Simulated devices can't make messages in the shape of contract '{contract.name}': "
            "test it with samples (check_sample)."
        )
    thing = f"device-{seed % 100:02}"
    truth = Truth()
    device = SimulatedDevice(contract, thing, seed, start, readings, mess, truth=truth)
    source = device.messages()
    payloads = tuple(next(source) for _ in range(count))
    return Messages(
        payloads=payloads,
        topic=device_topic(contract, thing),
        client_id=thing,
        readings=truth.readings,
        rows=truth.rows,
        duplicates=truth.duplicates,
        rejected=truth.rejected,
    )


def messages(
    contract: Contract, *, most: int = 4, readings: int = 5, mess: float = 0.0
) -> SearchStrategy[Messages]:
    """Strategy for 1 to ``most`` messages of one device, as :func:`make_messages` makes them.

    Raises :class:`NotSimulatedError`, and ``ImportError`` without hypothesis.
    """
    try:
        from hypothesis import strategies as st
    except ImportError as error:
        raise ImportError(
            "Random messages need hypothesis: pip install 'telemetry-etl[testing]'"
        ) from error
    make_messages(contract)  # an unfit contract is reported here, not in each example

    def made(seed: int, count: int, each: int, second: int) -> Messages:
        start = FIRST_DAY + timedelta(seconds=second)
        return make_messages(
            contract, seed=seed, count=count, readings=each, mess=mess, start=start
        )

    return st.builds(
        made,
        st.integers(0, MOST_SEED),
        st.integers(1, most),
        st.integers(1, readings),
        st.integers(0, DAYS * 86_400),
    )
