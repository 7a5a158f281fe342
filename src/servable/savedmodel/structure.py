"""StructuredValue -> Python values that print as TensorFlow prints them.

TF2's object graph keeps what a traced function was called with: plain values as they
are, tensors as specs. A spec is a `TensorSpec`, or a `TypeSpec` for composite tensors.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, TypeAlias

from servable.pb import framework_pb2, structure_pb2
from servable.savedmodel.errors import StructureInvalid
from servable.tensors import Shape, from_enum

Structure: TypeAlias = Any
"""None, bool, int, float, str, list, tuple, dict, or one of this module's classes."""

# The names that Python code has for dtypes that the format calls otherwise.
_PYTHON_NAMES = {"float": "float32", "double": "float64", "half": "float16"}
_REFERENCES = 100


@dataclass(frozen=True, slots=True)
class DTypeName:
    """A dtype that stands for itself."""

    enum: int

    def __str__(self) -> str:
        return f"<dtype: {dtype_name(self.enum).removeprefix('tf.')!r}>"

    def __repr__(self) -> str:
        return dtype_name(self.enum)


@dataclass(frozen=True, slots=True)
class ShapeValue:
    """A shape that stands for itself."""

    dims: Shape

    def __iter__(self) -> Iterator[int | None]:
        return iter(self.dims or ())

    def __str__(self) -> str:
        return shape_text(self.dims)

    def __repr__(self) -> str:
        if self.dims is None:
            return "TensorShape(None)"
        return f"TensorShape({list(self.dims)})"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that is to be given.

    Attributes:
        name: the argument's name in the graph; "" if it has none.
        dtype: its number on the wire.
        bounds: a text of minimum and maximum; "" for a plain tensor.
    """

    name: str
    dtype: int
    shape: Shape
    bounds: str = ""

    def __repr__(self) -> str:
        kind = "BoundedTensorSpec" if self.bounds else "TensorSpec"
        parts = f"shape={shape_text(self.shape)}, dtype={dtype_name(self.dtype)}"
        return f"{kind}({parts}, name={self.name or None!r}{self.bounds})"


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """A composite tensor that is to be given, as in RaggedTensorSpec.

    Attributes:
        kind: the name of its class.
        state: what the class serialises itself to, mostly a tuple.
        components: how many plain tensors it consists of.
    """

    kind: str
    state: Structure
    components: int

    def __repr__(self) -> str:
        if self.kind == "VariableSpec" and isinstance(self.state, tuple) and len(self.state) == 4:
            shape, dtype, trainable, alias = self.state
            return (
                f"VariableSpec(shape={shape}, dtype={dtype!r}, trainable={trainable!r},"
                f" alias_id={alias!r})"
            )
        return f"{self.kind}{self.state!r}"


def decode(value: structure_pb2.StructuredValue) -> Structure:
    """Return what a message stands for; mappings come in ascending order of key.

    Raises:
        StructureInvalid: it stands for nothing, or a named tuple has impossible names.
    """
    kind = value.WhichOneof("kind")
    decoder = _DECODERS.get(kind or "")
    if decoder is None:
        raise StructureInvalid(f"a stored structure has no value that is known here ({kind})")
    return decoder(getattr(value, kind))


def dtype_name(enum: int) -> str:
    """A dtype as Python code writes it, as in `tf.float32`."""
    try:
        name = from_enum(enum).name
    except KeyError:
        raise StructureInvalid(f"dtype number {enum} is not known") from None
    return f"tf.{_PYTHON_NAMES.get(name, name)}{'_ref' if enum > _REFERENCES else ''}"


def shape_text(dims: Shape) -> str:
    """A shape as text: a tuple, or `<unknown>`."""
    return "<unknown>" if dims is None else str(dims)


def _shape(shape: framework_pb2.TensorShapeProto) -> Shape:
    if shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in shape.dim)


def _tensor_spec(spec: structure_pb2.TensorSpecProto) -> TensorSpec:
    return TensorSpec(spec.name, spec.dtype, _shape(spec.shape))


def _bounded(spec: structure_pb2.BoundedTensorSpecProto) -> TensorSpec:
    bounds = f", minimum={_array(spec.minimum)!r}, maximum={_array(spec.maximum)!r}"
    return TensorSpec(spec.name, spec.dtype, _shape(spec.shape), bounds)


def _type_spec(spec: structure_pb2.TypeSpecProto) -> TypeSpec:
    return TypeSpec(spec.type_spec_class_name, decode(spec.type_state), spec.num_flat_components)


def _array(proto: framework_pb2.TensorProto) -> Any:
    from servable.errors import InvalidArgument
    from servable.tensor_proto import decode as decode_tensor

    try:
        return decode_tensor(proto, limit_bytes=1 << 20)
    except InvalidArgument as error:
        raise StructureInvalid(f"a stored array: {error}") from None


def _mapping(fields: Mapping[str, structure_pb2.StructuredValue]) -> dict[str, Structure]:
    return {key: decode(fields[key]) for key in sorted(fields)}


def _named(value: structure_pb2.NamedTupleValue) -> Structure:
    names = [pair.key for pair in value.values]
    for name in (value.name, *names):
        if not name.isidentifier() or iskeyword(name):
            raise StructureInvalid(f"a named tuple can not have the name {name[:80]!r}")
    if len(set(names)) != len(names) or any(name.startswith("_") for name in names):
        raise StructureInvalid(f"the named tuple {value.name} has impossible fields")
    # The names come from the file and are checked above.
    made = namedtuple(value.name, names)  # type: ignore[misc]
    return made(*(decode(pair.value) for pair in value.values))


_DECODERS: Mapping[str, Callable[[Any], Structure]] = {
    "none_value": lambda _: None,
    "bool_value": bool,
    "int64_value": int,
    "float64_value": float,
    "string_value": str,
    "tensor_dtype_value": DTypeName,
    "tensor_shape_value": lambda shape: ShapeValue(_shape(shape)),
    "tensor_spec_value": _tensor_spec,
    "bounded_tensor_spec_value": _bounded,
    "type_spec_value": _type_spec,
    "list_value": lambda v: [decode(item) for item in v.values],
    "tuple_value": lambda v: tuple(decode(item) for item in v.values),
    "dict_value": lambda v: _mapping(v.fields),
    "named_tuple_value": _named,
    "tensor_value": _array,
    "numpy_value": _array,
}
