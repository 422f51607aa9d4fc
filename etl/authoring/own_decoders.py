"""Checks of what decodes payloads before it is deployed, and where it fails on a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.contract import Contract

if TYPE_CHECKING:
    from functions.transform.clean_batch import CleanBatch

__all__ = ["check_decoder", "raised_on"]


def check_decoder(contract: Contract) -> None:
    """Loads the decoder or the descriptor set that the contract names, if any.

    Raises ``ContractError`` where the file is none, raises on its own, or lacks what is named.
    """
    if contract.decoder is not None:
        from functions.transform.formats.own_decoder import own_decoder

        own_decoder(contract)
    if contract.descriptor is not None:
        from functions.transform.formats.protobuf import message_class

        message_class(contract)


def raised_on(contract: Contract, batch: CleanBatch, reason: str) -> str | None:
    """File, line and message of the exception behind a reason, on the first message that has it.

    ``None`` where the decoder has nothing to do with the reason.
    """
    from functions.transform.formats.own_decoder import ENVELOPE, failure, own_decoder
    from functions.transform.inflation import inflate

    first = next(
        (
            reject.message
            for reject in batch.rejects
            if reject.index is None and reason in reject.reasons
        ),
        None,
    )
    if first is None or not reason.startswith("decoder:"):
        return None
    message = batch.messages.row(first, named=True)
    payload = message["payload"] if contract.compression is None else inflate(message["payload"])
    envelope = {name: message[name] for name in ENVELOPE}
    return failure(own_decoder(contract), payload, envelope)
