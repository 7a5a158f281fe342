"""AttrValue protos to plain values and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable import tensor_proto
from servable.graph.ir import AttrValue, FunctionRef, GraphError
from servable.pb import framework_pb2
from servable.tensors import DType, Shape, from_enum


def dtype(number: int) -> DType:
    """The dtype with this wire number.

    Raises:
        GraphError: there is no such dtype.
    """
    try:
        return from_enum(number)
    except KeyError:
        raise GraphError(f"the graph names a dtype that does not exist: {number}") from None


def shape(proto: framework_pb2.TensorShapeProto) -> Shape:
    """A shape; sizes of -1 become None."""
    if proto.unknown_rank:
        return None
    return tuple(None if d.size < 0 else d.size for d in proto.dim)


def decode(proto: framework_pb2.AttrValue) -> AttrValue:
    """Read an attribute.

    Raises:
        GraphError: it is empty, or a placeholder that nothing has filled in.
    """
    kind = proto.WhichOneof("value")
    match kind:
        case "list":
            fields = proto.list.ListFields()
            if not fields:
                return ()
            descriptor, items = fields[0]
            return tuple(_scalar(descriptor.name, item) for item in items)
        case None:
            raise GraphError("an attribute has no value")
        case "placeholder":
            raise GraphError(f"attribute placeholder {proto.placeholder!r} is not filled in")
        case _:
            return _scalar(kind, getattr(proto, kind))


def _scalar(kind: str, item: Any) -> AttrValue:
    match kind:
        case "type":
            return dtype(item)
        case "shape":
            return shape(item)
        case "tensor":
            return tensor_proto.decode(item)
        case "func":
            return FunctionRef(item.name, {k: decode(v) for k, v in item.attr.items()})
        case _:
            value: AttrValue = item
            return value


def encode(kind: str, value: AttrValue) -> framework_pb2.AttrValue:
    """Write an attribute of the given kind, as in `int` or `list(shape)`."""
    proto = framework_pb2.AttrValue()
    if kind.startswith("list("):
        proto.list.SetInParent()
        for item in value if isinstance(value, tuple) else ():
            _append(proto.list, kind[5:-1], item)
        return proto
    match kind, value:
        case "type", DType():
            proto.type = value.enum  # type: ignore[assignment]  # stubs want the enum's own type
        case "shape", _:
            proto.shape.CopyFrom(_shape(value))
        case "tensor", np.ndarray():
            proto.tensor.CopyFrom(tensor_proto.encode(value, as_content=True))
        case "func", FunctionRef():
            proto.func.name = value.name
        case "string", bytes():
            proto.s = value
        case (("int" | "float" | "bool"), _):
            setattr(proto, kind[0], value)
        case _:
            raise GraphError(f"an attribute of kind {kind} can not be {value!r}")
    return proto


def _append(target: framework_pb2.AttrValue.ListValue, kind: str, item: Any) -> None:
    match kind:
        case "type":
            target.type.append(item.enum)
        case "shape":
            target.shape.append(_shape(item))
        case "string":
            target.s.append(item)
        case "func":
            target.func.add(name=item.name)
        case "int" | "float" | "bool":
            getattr(target, kind[0]).append(item)
        case _:
            raise GraphError(f"an attribute of kind list({kind}) is not supported")


def _shape(value: Any) -> framework_pb2.TensorShapeProto:
    proto = framework_pb2.TensorShapeProto()
    if value is None:
        proto.unknown_rank = True
    else:
        for size in value:
            proto.dim.add(size=-1 if size is None else size)
    return proto
