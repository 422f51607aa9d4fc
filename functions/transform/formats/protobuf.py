"""Protocol Buffers: messages of one type, by a descriptor set that comes with the contract.

The ``protobuf`` library is in a layer that only contracts of this kind have.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from functions.transform.formats.document import Document, FormatError, bounded
from functions.transform.formats.protobuf_text import message_text
from telemetry.contract import Contract
from telemetry.contract.files import content_of
from telemetry.errors import ContractError

__all__ = ["BINARY", "decode", "message_class", "message_class_of", "parsed"]

BINARY = True
REASON = "format:protobuf"
SHOWN = 10
"""Types of a descriptor set that a message lists."""


def decode(payload: bytes, message_type: Any) -> Document:
    """The JSON of one message of the type, a class of the library's.

    Raises :class:`FormatError`.
    """
    message = parsed(payload, message_type, REASON)
    try:
        text = message_text(message)
    except (ValueError, OverflowError):
        raise FormatError(REASON) from None
    return bounded(text)


def parsed(payload: bytes, message_type: Any, reason: str) -> Any:
    """The message in a payload. Raises :class:`FormatError` with the reason.

    Bytes with none of the type's fields are of another type: protobuf would read them as a message
    of unknown fields.
    """
    from google.protobuf.message import DecodeError

    message = message_type()
    try:
        message.ParseFromString(payload)
    except (DecodeError, ValueError):
        raise FormatError(reason) from None
    if not message.IsInitialized() or _is_of_another_type(payload, message):
        raise FormatError(reason)
    return message


def _is_of_another_type(payload: bytes, message: Any) -> bool:
    """True if all that was parsed are unknown fields, which the library keeps byte for byte.

    A field that was sent as zero isn't listed either, but isn't kept.
    """
    return bool(payload) and not message.ListFields() and message.ByteSize() == len(payload)


def message_class(contract: Contract) -> Any:
    """The library's class of the contract's type.

    Raises ``ContractError`` where its file is not a descriptor set, or lacks the type.
    """
    if contract.descriptor is None or contract.message_type is None:
        raise ContractError(f"{contract.name}: has no descriptor")
    content = content_of(contract, contract.descriptor)
    return message_class_of(contract.descriptor, content, contract.message_type)


@lru_cache(maxsize=4)
def message_class_of(file: str, content: bytes, name: str) -> Any:
    """The class of a type in a descriptor set. Raises ``ContractError``."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass

    remedy = "make it with protoc --include_imports --descriptor_set_out"
    try:
        files = FileDescriptorSet.FromString(content).file
    except (DecodeError, ValueError) as error:
        raise ContractError(f"{file}: is not a descriptor set; {remedy}") from error
    pool = DescriptorPool()
    try:
        for one in files:
            pool.Add(one)
        descriptor = pool.FindMessageTypeByName(name)
    except KeyError as error:
        types = [
            ".".join(filter(None, (one.package, message.name)))
            for one in files
            for message in one.message_type
        ]
        known = ", ".join(types[:SHOWN]) or "none"
        raise ContractError(f"{file}: has no type {name!r}, but {known}") from error
    except TypeError as error:
        raise ContractError(f"{file}: {str(error).splitlines()[0]}; {remedy}") from error
    return GetMessageClass(descriptor)
