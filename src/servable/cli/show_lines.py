"""What `saved_model_cli show` prints, line for line.

Scripts parse these lines, so they are the peer's to the last character: TensorFlow 2.21's,
where versions differ. The ops are printed as a Python set there, in an order that depends
on PYTHONHASHSEED, and so they are here. Named arguments come in ascending order here and in
any order there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from servable.errors import NotFound, ServableError
from servable.graph import schema
from servable.graph.loaded_names import loaded_names
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.errors import SavedModelError
from servable.savedmodel.functions import (
    Offered,
    Trace,
    loading_order,
    offered,
    ops_used,
)
from servable.savedmodel.structure import (
    DTypeName,
    ShapeValue,
    Structure,
    TensorSpec,
    TypeSpec,
)

_CONTAINS = "The given SavedModel SignatureDef contains the following"


def tag_sets(model: saved_model_pb2.SavedModel) -> Iterator[str]:
    """The tag sets of the MetaGraphs."""
    yield "The given SavedModel contains the following tag-sets:"
    for tags in sorted(list(meta_graph.meta_info_def.tags) for meta_graph in model.meta_graphs):
        yield repr(", ".join(sorted(tags)))


def signature_keys(meta_graph: saved_model_pb2.MetaGraphDef) -> Iterator[str]:
    """The names of the signatures."""
    yield "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:"
    for key in sorted(meta_graph.signature_def):
        yield f'SignatureDef key: "{key}"'


def ops(meta_graph: saved_model_pb2.MetaGraphDef) -> str:
    """The ops of a MetaGraph."""
    return (
        f"The MetaGraph with tag set {list(meta_graph.meta_info_def.tags)} contains the "
        f"following ops: {ops_used(meta_graph.graph_def)}"
    )


def signature(
    meta_graph: saved_model_pb2.MetaGraphDef, key: str, indent: str = ""
) -> Iterator[str]:
    """The inputs and outputs of a signature.

    Raises:
        NotFound: there is none of this name.
    """
    if key not in meta_graph.signature_def:
        raise NotFound(
            f'Could not find signature "{key}". Please choose from: '
            f"{', '.join(sorted(meta_graph.signature_def))}"
        )
    stored = meta_graph.signature_def[key]
    for side, infos in (("input", stored.inputs), ("output", stored.outputs)):
        yield f"{indent}{_CONTAINS} {side}(s):"
        yield from _tensors(f"{side}s", infos, indent)
    yield f"{indent}Method name is: {stored.method_name}"


def everything(model: saved_model_pb2.SavedModel) -> str:
    """All signatures, ops and functions of all MetaGraphs, with the line ends."""
    text = "".join(f"{line}\n" for line in _meta_graphs(model))
    if any(meta_graph.HasField("object_graph_def") for meta_graph in model.meta_graphs):
        text += _functions(model)
    return text


def _meta_graphs(model: saved_model_pb2.SavedModel) -> Iterator[str]:
    for meta_graph in sorted(model.meta_graphs, key=lambda m: list(m.meta_info_def.tags)):
        tags = ", ".join(meta_graph.meta_info_def.tags)
        yield f"\nMetaGraphDef with tag-set: '{tags}' contains the following SignatureDefs:"
        for key in sorted(meta_graph.signature_def):
            yield f"\nsignature_def['{key}']:"
            yield from signature(meta_graph, key, "  ")
        yield ops(meta_graph)


def _tensors(
    side: str, infos: Mapping[str, saved_model_pb2.TensorInfo], indent: str
) -> Iterator[str]:
    for alias in sorted(infos):
        info = infos[alias]
        yield f"{indent}  {side}['{alias}'] tensor_info:"
        yield f"{indent}      dtype: {_dtype(info.dtype)}"
        yield f"{indent}      shape: {_shape(info.tensor_shape)}"
        yield f"{indent}      name: {info.name}"


def _dtype(number: int) -> str:
    known = framework_pb2.DataType.values()
    return framework_pb2.DataType.Name(number) if number in known else f"DT_{number}"


def _shape(shape: framework_pb2.TensorShapeProto) -> str:
    if shape.unknown_rank:
        return "unknown_rank"
    return f"({', '.join(str(dim.size) for dim in shape.dim)})"


def _functions(model: saved_model_pb2.SavedModel) -> str:
    head = "\nConcrete Functions:"
    if _custom_ops(model.meta_graphs):
        reason = "the existence of custom ops in the SavedModel"
        return f"{head} N/A (could not be listed due to {reason})\n"
    try:
        return head + "".join(_listed(model.meta_graphs))
    except ServableError:
        return f"{head} N/A (could not be listed due to unknown reasons)\n"


def _custom_ops(meta_graphs: Iterable[saved_model_pb2.MetaGraphDef]) -> bool:
    """Whether a function has an op that no TensorFlow has, so that the peer can not load it."""
    for meta_graph in meta_graphs:
        library = meta_graph.graph_def.library.function
        names = {function.signature.name for function in library}
        used = {node.op for function in library for node in function.node_def}
        if any(schema.known(op) is None for op in used - names):
            return True
    return False


def _listed(meta_graphs: Sequence[saved_model_pb2.MetaGraphDef]) -> Iterator[str]:
    if len(meta_graphs) != 1:
        raise SavedModelError("the peer loads a SavedModel with several MetaGraphs by tags only")
    loading_order(meta_graphs[0].graph_def.library)  # the peer can load no other
    functions = offered(meta_graphs[0])
    several = any(len(function.traces) > 1 for function in functions)
    names = loaded_names(meta_graphs[0]) if several else {}
    for function in functions:
        yield f"\n  Function Name: '{function.name}'\n"
        yield from (f"{line}\n" for line in _options(function, names))


def _options(function: Offered, names: Mapping[str, str]) -> Iterator[str]:
    traces = sorted(function.traces, key=lambda trace: names.get(trace.name, ""))
    for number, trace in enumerate(traces, 1):
        args: Collection[Structure] = trace.args
        if not args and not trace.kwargs:
            args = trace.keywords
        if args:
            yield f"    Option #{number}"
            yield "      Callable with:"
            for place, value in enumerate(args, 1):
                yield f"        Argument #{place}"
                yield _argument(value)
        yield from _named(trace)


def _named(trace: Trace) -> Iterator[str]:
    for place, name in enumerate(trace.kwargs, 1):
        yield f"        Named Argument #{place}"
        yield f"          {name}"


def _argument(value: Structure) -> str:
    if isinstance(value, str):
        return f"          {value}"
    if isinstance(value, TensorSpec):
        return f"          {value.name or None}: {value!r}"
    return f"          DType: {_class_name(value)}\n          Value: {_value(value)}"


def _class_name(value: Structure) -> str:
    return (
        value.kind
        if isinstance(value, TypeSpec)
        else _CLASSES.get(type(value), type(value).__name__)
    )


def _value(value: Structure) -> str:
    if isinstance(value, Mapping):
        items = [f"'{key}': {_quoted(item)}, " for key, item in value.items()]
        return "{" + "".join(items) + "\b\b}"
    if isinstance(value, Iterable):
        return "[" + "".join(f"{_quoted(item)}, " for item in value) + "\b\b]"
    return str(value)


def _quoted(value: Structure) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


_CLASSES = {DTypeName: "DType", ShapeValue: "TensorShape"}
