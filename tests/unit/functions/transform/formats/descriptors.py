"""Descriptor sets of plain ``.proto`` files: messages and enums that aren't nested, no imports."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

BLOCK = re.compile(r"(message|enum) (\w+) \{(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r"(?:(repeated|optional) )?(?:map<(\w+), ([\w.]+)>|([\w.]+)) (\w+) = (\d+);")
VALUE = re.compile(r"(\w+) = (\d+);")
LABELS = {"repeated": Field.LABEL_REPEATED}
TIMESTAMP = "google.protobuf.Timestamp"


def descriptor_set(proto: str) -> bytes:
    """The descriptor set that ``protoc --include_imports`` makes of it."""
    package = re.search(r"package ([\w.]+);", proto)
    file = FileDescriptorProto(
        name="it.proto", syntax="proto3", package=package[1] if package else ""
    )
    blocks = BLOCK.findall(re.sub(r"//.*", "", proto))
    enums = {name for kind, name, _ in blocks if kind == "enum"}
    found = FileDescriptorSet()
    if TIMESTAMP in proto:
        from google.protobuf import timestamp_pb2

        timestamp_pb2.DESCRIPTOR.CopyToProto(found.file.add())
        file.dependency.append("google/protobuf/timestamp.proto")
    for kind, name, body in blocks:
        if kind == "enum":
            enum = file.enum_type.add(name=name)
            for value, number in VALUE.findall(body):
                enum.value.add(name=value, number=int(number))
        else:
            _add_fields(file.message_type.add(name=name), body, enums, file.package)
    found.file.append(file)
    return found.SerializeToString()


def _add_fields(message: Any, body: str, enums: set[str], package: str) -> None:
    oneofs: set[int] = set()
    for number, found in enumerate(re.finditer(r"oneof (\w+) \{(.*?)\}", body, re.DOTALL)):
        message.oneof_decl.add(name=found[1])
        oneofs |= {int(n) << 8 | number for *_, n in FIELD.findall(found[2])}
    in_oneof = {at >> 8: at & 255 for at in oneofs}
    optional = []
    for label, key, of, kind, name, number in FIELD.findall(body):
        field = message.field.add(
            name=name, number=int(number), label=LABELS.get(label, Field.LABEL_OPTIONAL)
        )
        if key:
            entry = message.nested_type.add(name=f"{name.title()}Entry")
            entry.options.map_entry = True
            for at, part, kind_of in ((1, "key", key), (2, "value", of)):
                _typed(entry.field.add(name=part, number=at, label=1), kind_of, enums, package)
            field.label = Field.LABEL_REPEATED
            field.type = Field.TYPE_MESSAGE
            field.type_name = f".{package}.{message.name}.{entry.name}"
            continue
        _typed(field, kind, enums, package)
        if int(number) in in_oneof:
            field.oneof_index = in_oneof[int(number)]
        elif label == "optional":
            optional.append(field)
    for field in optional:  # whose oneofs come last
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _typed(field: Any, kind: str, enums: set[str], package: str) -> None:
    if kind == TIMESTAMP:
        field.type, field.type_name = Field.TYPE_MESSAGE, f".{kind}"
    elif kind in enums:
        field.type, field.type_name = Field.TYPE_ENUM, f".{package}.{kind}"
    elif kind[0].isupper():
        field.type, field.type_name = Field.TYPE_MESSAGE, f".{package}.{kind}"
    else:
        field.type = Field.Type.Value(f"TYPE_{kind.upper()}")
