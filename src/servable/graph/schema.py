"""Argument names, attribute kinds and defaults of TensorFlow's ops.

The table beside this file is generated from TensorFlow (scripts/generate_opdefs.py
says how it is written). A SavedModel also carries the definitions of the ops that it
uses; those serve for ops outside the table, so that an op that can not be run still
gets a proper message.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson

from servable import tensor_proto
from servable.graph import attributes
from servable.graph.ir import AttrValue, FunctionRef, GraphError
from servable.pb import framework_pb2
from servable.tensors import DType, from_enum


class Missing:
    """Marks an attribute that has no default."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One input or output argument; it may stand for several tensors.

    Exactly one of `dtype`, `type_attr` and `list_attr` says what its dtypes are;
    `number_attr` names the attribute that says how many tensors it has; `is_ref` says
    that they are references to TF1 variables.
    """

    name: str
    dtype: DType | None = None
    type_attr: str = ""
    list_attr: str = ""
    number_attr: str = ""
    is_ref: bool = False

    def dtypes(self, attrs: Mapping[str, AttrValue]) -> tuple[DType, ...]:
        """The dtypes of its tensors, under the attributes of one node."""
        if self.list_attr:
            return _types(attrs, self.list_attr)
        dtype = self.dtype or _type(attrs, self.type_attr)
        return (dtype,) * (_count(attrs, self.number_attr) if self.number_attr else 1)


@dataclass(frozen=True, slots=True)
class AttrSchema:
    """The kind of an attribute, as in `list(int)`, and its default."""

    kind: str
    default: AttrValue | type[Missing] = Missing


@dataclass(frozen=True, slots=True)
class OpSchema:
    """What is known of an op without knowing what it computes."""

    name: str
    inputs: tuple[Arg, ...]
    outputs: tuple[Arg, ...]
    attrs: Mapping[str, AttrSchema]

    def output_dtypes(self, attrs: Mapping[str, AttrValue]) -> tuple[DType, ...]:
        """The dtype of every output of a node with these attributes."""
        return tuple(d for arg in self.outputs for d in arg.dtypes(attrs))

    def offset(self, output: str, attrs: Mapping[str, AttrValue]) -> int | None:
        """The number of the first tensor of an output argument; None if there is no such."""
        start = 0
        for arg in self.outputs:
            if arg.name == output:
                return start
            start += len(arg.dtypes(attrs))
        return None


def _type(attrs: Mapping[str, AttrValue], name: str) -> DType:
    value = attrs.get(name)
    if not isinstance(value, DType):
        raise GraphError(f"attribute {name} should be a dtype and is {value!r}")
    return value


def _types(attrs: Mapping[str, AttrValue], name: str) -> tuple[DType, ...]:
    value = attrs.get(name)
    if not isinstance(value, tuple) or not all(isinstance(v, DType) for v in value):
        raise GraphError(f"attribute {name} should be a list of dtypes and is {value!r}")
    return value


MOST_TENSORS = 100_000
"""Bound on the length of one sequence argument; real graphs stay far below it."""


def _count(attrs: Mapping[str, AttrValue], name: str) -> int:
    value = attrs.get(name)
    if not isinstance(value, int) or not 0 <= value <= MOST_TENSORS:
        raise GraphError(f"attribute {name} should be a number of tensors and is {value!r}")
    return value


_T = {"T": ["type"]}
_CELL = _T | {key: ["bool"] for key in ("every", "masked", "zero_output", "needs_steps")}
_OWN = {
    "_Gate": {"in": ["value:T"], "out": ["output:T"], "attr": _T},
    "_LSTM": {
        "in": ["x:T", "mask:10", "steps:3", "h:T", "c:T", "k:T", "r:T", "b:T"],
        "out": ["all:T", "h_last:T", "c_last:T"],
        "attr": _CELL,
    },
    "_GRU": {
        "in": ["x:T", "mask:10", "steps:3", "h:T", "k:T", "r:T", "b:T", "d:T"],
        "out": ["all:T", "h_last:T"],
        "attr": _CELL | {"reset_after": ["bool"]},
    },
    "_RNN": {
        "in": ["x:T", "mask:10", "steps:3", "h:T", "k:T", "r:T", "b:T"],
        "out": ["all:T", "h_last:T"],
        "attr": _CELL | {"activation": ["string"]},
    },
}
"""Ops that only passes make; see `passes.switches` and `passes.recurrent`."""


@functools.cache
def _table() -> dict[str, Any]:
    text = resources.files("servable.graph").joinpath("opdefs.json").read_bytes()
    table: dict[str, Any] = orjson.loads(text)
    return table | _OWN


@functools.cache
def known(op: str) -> OpSchema | None:
    """The schema of an op in the table, or None."""
    row = _table().get(op)
    if row is None:
        return None
    attrs = {
        name: AttrSchema(kind, *(_default(kind, d) for d in default))
        for name, (kind, *default) in row.get("attr", {}).items()
    }
    return OpSchema(op, tuple(_args(row.get("in", ()))), tuple(_args(row.get("out", ()))), attrs)


@functools.cache
def stateful(op: str) -> bool:
    """Whether TensorFlow flags the op as stateful; ops outside the table count as such."""
    row = _table().get(op)
    return row is None or bool(row.get("stateful"))


@functools.cache
def takes_reference(op: str) -> bool:
    """Whether an input of the op is a reference to a TF1 variable."""
    found = known(op)
    return found is not None and any(arg.is_ref for arg in found.inputs)


def _args(texts: Sequence[str]) -> Iterator[Arg]:
    for text in texts:
        is_ref = text.startswith("&")
        name, _, kind = text.removeprefix("&").partition(":")
        if kind.startswith("["):
            yield Arg(name, list_attr=kind[1:-1])
            continue
        number, _, kind = kind.rpartition("*")
        if kind.isdigit():
            yield Arg(name, dtype=from_enum(int(kind)), number_attr=number, is_ref=is_ref)
        else:
            yield Arg(name, type_attr=kind, number_attr=number, is_ref=is_ref)


def _default(kind: str, value: Any) -> AttrValue:
    if isinstance(value, list) and kind.startswith("list("):
        return tuple(_default(kind[5:-1], v) for v in value)
    match kind:
        case "type":
            return from_enum(value)
        case "string":
            return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
        case "float":
            return float(value)
        case "shape":
            return None if value is None else tuple(None if d < 0 else d for d in value)
        case "func":
            return FunctionRef(value)
        case "tensor":
            proto = framework_pb2.TensorProto.FromString(base64.b64decode(value["tensor"]))
            return tensor_proto.decode(proto)
        case _:
            result: AttrValue = value
            return result


def from_proto(definition: framework_pb2.OpDef) -> OpSchema:
    """Read an op or function definition that a model carries."""
    return OpSchema(
        definition.name,
        tuple(_arg(a) for a in definition.input_arg),
        tuple(_arg(a) for a in definition.output_arg),
        {
            a.name: AttrSchema(
                a.type,
                *([attributes.decode(a.default_value)] if a.HasField("default_value") else []),
            )
            for a in definition.attr
        },
    )


def _arg(proto: framework_pb2.OpDef.ArgDef) -> Arg:
    if proto.type_list_attr:
        return Arg(proto.name, list_attr=proto.type_list_attr)
    return Arg(
        proto.name,
        dtype=attributes.dtype(proto.type) if proto.type else None,
        type_attr=proto.type_attr,
        number_attr=proto.number_attr,
        is_ref=proto.is_ref,
    )
