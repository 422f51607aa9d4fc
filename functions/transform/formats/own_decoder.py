"""A decoder of one's own: ``decoder = "decoder.py:decode"``, from bytes to readings.

The function comes with the contract and is run on one payload at a time. Whatever it does costs
that payload alone: an exception, too much processor time or memory, or an answer that isn't JSON.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from functions.transform.formats.answer_text import AnswerError, answer_document
from functions.transform.formats.document import Document, FormatError
from functions.transform.formats.run_limits import Limits, TimeLimitError
from functions.transform.inflation import TOO_LARGE
from telemetry.contract import Contract
from telemetry.contract.files import content_of
from telemetry.errors import ContractError

__all__ = ["ENVELOPE", "OwnDecoder", "failure", "own_decoder", "own_encoder"]

KIND = "decoder"
ENVELOPE = ("message_id", "topic", "client_id", "received_at")
"""Members of a message's envelope that the function gets."""
ENCODE = "encode"
"""Name of the function that makes a payload of readings, where the file has one."""
UNNAMED = "Exception"
NAME_CHARACTERS = 60
Function = Callable[[bytes, dict[str, Any]], Any]


def own_decoder(contract: Contract) -> OwnDecoder:
    """The decoder of a contract, loaded once.

    Raises ``ContractError`` where its file is not Python, raises on its own, or lacks the function.
    """
    if contract.decoder is None:
        raise ContractError(f"{contract.name}: has no decoder")
    return _decoder(*contract.decoder, content_of(contract, contract.decoder.file))


def own_encoder(contract: Contract) -> Callable[[list[dict[str, Any]]], bytes] | None:
    """The function ``encode`` beside the decoder, for simulated devices; ``None`` without one."""
    return own_decoder(contract).encode


class OwnDecoder:
    """A function that decodes payloads, run within limits."""

    def __init__(self, function: Function, encode: Any = None) -> None:
        self._function = function
        self._limits = Limits()
        self.encode = encode if callable(encode) else None

    def decode(self, payload: bytes, envelope: Mapping[str, Any]) -> Document:
        """The readings that the function returns.

        Raises :class:`FormatError` with the reason: ``decoder:<name of an exception>``, or what is
        wrong with the answer.
        """
        try:
            return answer_document(self._answer(payload, envelope))
        except AnswerError as error:
            reason = str(error)
            raise FormatError(reason if reason == TOO_LARGE else f"{KIND}:{reason}") from None
        except FormatError:  # of the answer as a whole
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise FormatError(f"{KIND}:{_name_of(error)}") from error

    def _answer(self, payload: bytes, envelope: Mapping[str, Any]) -> Any:
        return self._limits.run(self._function, payload, dict(envelope))


def failure(decoder: OwnDecoder, payload: bytes, envelope: Mapping[str, Any]) -> str | None:
    """File, line and message of what the function raises on a payload; ``None`` if nothing."""
    try:
        decoder.decode(payload, envelope)
    except FormatError as error:
        cause = error.__cause__
        return str(error) if cause is None else _place(cause)
    return None


@lru_cache(maxsize=4)
def _decoder(file: str, name: str, source: bytes) -> OwnDecoder:
    namespace = _loaded(file, source)
    function = namespace.get(name)
    if not callable(function):
        raise ContractError(f"{file}: has no function {name!r}; define it, or name another one")
    return OwnDecoder(function, namespace.get(ENCODE))


def _place(error: BaseException) -> str:
    """The last place in a file of the contract's at which an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<contract>/")]
    text = str(error).partition("\n")[0]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if not own:
        return what
    file = own[-1].filename.partition("/")[2]
    return f"{file}, line {own[-1].lineno}: {what}"


def _name_of(error: BaseException) -> str:
    """Name of an exception's class as part of a reason."""
    if isinstance(error, TimeLimitError):
        return "timeout"
    name = type(error).__name__
    sound = name.isascii() and name.isidentifier() and len(name) <= NAME_CHARACTERS
    return name if sound else UNNAMED


def _loaded(file: str, source: bytes) -> dict[str, Any]:
    """The names that a file's source defines."""
    namespace: dict[str, Any] = {"__name__": file.removesuffix(".py"), "__file__": file}
    try:
        code = compile(source, f"<contract>/{file}", "exec", dont_inherit=True)
        Limits().run(exec, code, namespace)  # the operator's own code, deployed with the contract
    except SyntaxError as error:
        raise ContractError(f"{file}, line {error.lineno}: {error.msg}") from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ContractError(f"{_place(error)} (as the decoder was loaded)") from error
    return namespace
