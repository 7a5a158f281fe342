"""A descriptor pool of our own, so that our messages never meet TensorFlow's.

Both projects describe the same wire types under the same names. Registering them
in protobuf's default pool would make whichever is imported second fail; a
private pool holds ours, and both live in one process in either import order.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper

POOL = descriptor_pool.DescriptorPool()


def _fill() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(
        resources.files("servable.pb").joinpath("descriptors.binpb").read_bytes()
    )
    for file in files.file:
        POOL.Add(file)


_fill()


def publish(filename: str, namespace: dict[str, Any]) -> None:
    """Put the top-level messages and enums of one .proto file into a module's namespace."""
    file = POOL.FindFileByName(filename)
    for name, message in file.message_types_by_name.items():
        namespace[name] = message_factory.GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        namespace[name] = enum_type_wrapper.EnumTypeWrapper(enum)
        for value in enum.values:
            namespace[value.name] = value.number
    namespace["DESCRIPTOR"] = file
