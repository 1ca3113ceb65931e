"""Protobuf messages declared here field by field, so that no generated code and no foreign framework is needed.

Fields that are not declared are skipped by protobuf itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

STRING, BYTES, INT32, INT64, FLOAT, DOUBLE = 9, 12, 5, 3, 2, 1

Field = tuple[str, int, int | str, bool]
"""Name, number, scalar type or the name of a message, repeated."""


class MessageError(ValueError):
    """The bytes are not a whole message of the declared kind."""


def message_classes(package: str, messages: Mapping[str, Sequence[Field]]) -> dict[str, Any]:
    """A class for each message, which may name one another. Numeric repeated fields are read packed or not."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message, fields in messages.items():
        declared = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = declared.field.add(name=name, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                field.type, field.type_name = 11, f".{package}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def parse(message_class: Any, data: bytes) -> Any:
    """The message in these bytes; MessageError if they are cut short or something else."""
    message = message_class()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MessageError(str(error)) from error
    return message
