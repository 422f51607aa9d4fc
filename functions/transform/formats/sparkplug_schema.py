"""The messages of Sparkplug B, as a descriptor (version 3.0 of the specification, section 6.4)."""

from __future__ import annotations

from typing import Any

__all__ = ["DATA_TYPES", "payload_descriptor"]

DATA_TYPES = dict(enumerate((
    "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float",
    "Double", "Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File",
    "Template", "PropertySet", "PropertySetList", "Int8Array", "Int16Array", "Int32Array",
    "Int64Array", "UInt8Array", "UInt16Array", "UInt32Array", "UInt64Array", "FloatArray",
    "DoubleArray", "BooleanArray", "StringArray", "DateTimeArray",
)))  # fmt: skip
PACKAGE = "telemetry.sparkplug_b"
SCALARS = "int_value:uint32 long_value:uint64 float_value:float double_value:double "
SCALARS += "boolean_value:bool string_value:string"
MESSAGES: dict[str, tuple[str, int, str]] = {
    # name: fields from number 1 on, number of the first one of the value, fields of the value
    "Payload": (
        "timestamp:uint64 metrics:Metric[] seq:uint64 uuid:string body:bytes", 0, "",
    ),
    "Metric": (
        "name:string alias:uint64 timestamp:uint64 datatype:uint32 is_historical:bool "
        "is_transient:bool is_null:bool metadata:MetaData properties:PropertySet", 10,
        f"{SCALARS} bytes_value:bytes dataset_value:DataSet template_value:Template",
    ),
    "MetaData": (
        "is_multi_part:bool content_type:string size:uint64 seq:uint64 file_name:string "
        "file_type:string md5:string description:string", 0, "",
    ),
    "PropertySet": ("keys:string[] values:PropertyValue[]", 0, ""),
    "PropertySetList": ("propertyset:PropertySet[]", 0, ""),
    "PropertyValue": (
        "type:uint32 is_null:bool", 3,
        f"{SCALARS} propertyset_value:PropertySet propertysets_value:PropertySetList",
    ),
    "DataSet": ("num_of_columns:uint64 columns:string[] types:uint32[] rows:Row[]", 0, ""),
    "Row": ("elements:DataSetValue[]", 0, ""),
    "DataSetValue": ("", 1, SCALARS),
    "Template": (
        "version:string metrics:Metric[] parameters:Parameter[] template_ref:string "
        "is_definition:bool", 0, "",
    ),
    "Parameter": ("name:string type:uint32", 3, SCALARS),
}  # fmt: skip


def payload_descriptor() -> Any:
    """The library's descriptor of a payload."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    file = FileDescriptorProto(name="sparkplug_b.proto", package=PACKAGE, syntax="proto2")
    for name, (plain, first, of_value) in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(plain.split(), 1):
            _add_field(message, number, field)
        if of_value:
            message.oneof_decl.add(name="value")
        for number, field in enumerate(of_value.split(), first):
            _add_field(message, number, field).oneof_index = 0
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName(f"{PACKAGE}.Payload")


def _add_field(message: Any, number: int, field: str) -> Any:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

    name, kind = field.split(":")
    repeated, kind = kind.endswith("[]"), kind.removesuffix("[]")
    label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
    added = message.field.add(name=name, number=number, label=label)
    if kind[0].isupper():
        added.type, added.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        added.type = Field.Type.Value(f"TYPE_{kind.upper()}")
    return added
