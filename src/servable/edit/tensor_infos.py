"""TensorInfo and SignatureDef messages: building them, and checking them against a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from servable import tensor_proto, tensors
from servable.edit.errors import BuildInvalid, TensorMissing
from servable.edit.nodes import by_name, index_of, node_of
from servable.errors import InvalidArgument
from servable.graph import attributes, schema
from servable.graph.ir import AttrValue, GraphError
from servable.pb import framework_pb2, saved_model_pb2
from servable.tensors import STRING, Array, DType, Shape

PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
DEFAULT_SIGNATURE = "serving_default"

TensorInfo = saved_model_pb2.TensorInfo
SignatureDef = saved_model_pb2.SignatureDef


def build_tensor_info(
    name: str, dtype: DType | Any = None, shape: Sequence[int | None] | None = None
) -> TensorInfo:
    """Describe one tensor.

    Args:
        name: as in `x:0`; `x` counts as `x:0`.
        dtype: a DType, or anything that numpy takes for a dtype (`str` for strings).
        shape: None for an unknown rank; None in it for an unknown size.

    Raises:
        BuildInvalid: TensorFlow has no such dtype, or a size is negative.
    """
    info = TensorInfo(name=name if ":" in name else f"{name}:0")
    info.dtype = _dtype(dtype).enum  # type: ignore[assignment]  # the stub wants the enum's type
    info.tensor_shape.CopyFrom(_shape(shape))
    return info


def build_signature_def(
    inputs: Mapping[str, TensorInfo],
    outputs: Mapping[str, TensorInfo],
    method_name: str = PREDICT_METHOD,
    defaults: Mapping[str, Array] | None = None,
) -> SignatureDef:
    """Describe one entry point.

    Args:
        inputs, outputs: alias -> tensor.
        method_name: one of the three `*_METHOD`s.
        defaults: alias -> value that an input has when a request leaves it out.

    Raises:
        BuildInvalid: a default is of no input.
    """
    signature = SignatureDef(method_name=method_name)
    for alias, info in inputs.items():
        signature.inputs[alias].CopyFrom(info)
    for alias, info in outputs.items():
        signature.outputs[alias].CopyFrom(info)
    for alias, value in (defaults or {}).items():
        if alias not in inputs:
            raise BuildInvalid(f"there is a default for {alias!r}, which is no input")
        try:
            signature.defaults[alias].CopyFrom(tensor_proto.encode(np.asarray(value)))
        except InvalidArgument as error:
            raise BuildInvalid(f"default of {alias!r}: {error.message}") from None
    return signature


def predict_signature_def(
    inputs: Mapping[str, TensorInfo], outputs: Mapping[str, TensorInfo]
) -> SignatureDef:
    """Describe an entry point for Predict.

    Raises:
        BuildInvalid: there are no inputs or no outputs.
    """
    if not inputs or not outputs:
        raise BuildInvalid("a predict signature needs an input and an output")
    return build_signature_def(inputs, outputs, PREDICT_METHOD)


def classification_signature_def(
    examples: TensorInfo, classes: TensorInfo | None = None, scores: TensorInfo | None = None
) -> SignatureDef:
    """Describe an entry point for Classify: serialized tf.Examples to labels, scores or both.

    Raises:
        BuildInvalid: a tensor has the wrong dtype, or there is neither output.
    """
    _check_dtype("examples", examples, STRING)
    outputs = {}
    if classes is not None:
        _check_dtype("classes", classes, STRING)
        outputs["classes"] = classes
    if scores is not None:
        _check_dtype("scores", scores, tensors.FLOAT)
        outputs["scores"] = scores
    if not outputs:
        raise BuildInvalid("a classify signature needs classes or scores")
    return build_signature_def({"inputs": examples}, outputs, CLASSIFY_METHOD)


def regression_signature_def(examples: TensorInfo, predictions: TensorInfo) -> SignatureDef:
    """Describe an entry point for Regress: serialized tf.Examples to one float each.

    Raises:
        BuildInvalid: a tensor has the wrong dtype.
    """
    _check_dtype("examples", examples, STRING)
    _check_dtype("predictions", predictions, tensors.FLOAT)
    return build_signature_def({"inputs": examples}, {"outputs": predictions}, REGRESS_METHOD)


def tensor_info_of(meta_graph: saved_model_pb2.MetaGraphDef, tensor: str) -> TensorInfo:
    """Describe a tensor as its graph does: dtype by the op, shape where an attribute says it.

    Raises:
        TensorMissing: the graph has no such tensor, or its op is not known.
    """
    nodes = by_name(meta_graph.graph_def.node, "the graph")
    node = nodes.get(node_of(tensor))
    if node is None:
        raise _missing(tensor, nodes)
    index = index_of(tensor)
    dtypes = _output_dtypes(meta_graph, node)
    if dtypes is None:
        raise TensorMissing(
            f"tensor {tensor!r}: op {node.op} is not known, so its dtype is not either",
            hint="Say dtype and shape.",
        )
    if index >= len(dtypes):
        raise TensorMissing(f"node {node.name!r} has {len(dtypes)} outputs; {tensor!r} is none")
    return build_tensor_info(f"{node.name}:{index}", dtypes[index], _known_shape(node, index))


def check_tensors(
    meta_graph: saved_model_pb2.MetaGraphDef, signature: SignatureDef, where: str
) -> None:
    """Check that a graph has every tensor that a signature names.

    Raises:
        TensorMissing: a node is not there, or has fewer outputs.
        BuildInvalid: the signature has no output.
    """
    if not signature.outputs:
        raise BuildInvalid(f"{where} has no output")
    nodes = by_name(meta_graph.graph_def.node, "the graph")
    for tensor in tensors_of(signature):
        node = nodes.get(node_of(tensor))
        if node is None:
            raise _missing(tensor, nodes)
        dtypes = _output_dtypes(meta_graph, node)
        if dtypes is not None and index_of(tensor) >= len(dtypes):
            raise TensorMissing(f"{where}: node {node.name!r} has no output {index_of(tensor)}")


def tensors_of(signature: SignatureDef) -> Iterator[str]:
    """Yield the tensors of the graph that a signature names."""
    waiting = [*signature.inputs.values(), *signature.outputs.values()]
    while waiting:
        info = waiting.pop()
        match info.WhichOneof("encoding"):
            case "name":
                yield info.name
            case "coo_sparse":
                yield info.coo_sparse.values_tensor_name
                yield info.coo_sparse.indices_tensor_name
                yield info.coo_sparse.dense_shape_tensor_name
            case "composite_tensor":
                waiting.extend(info.composite_tensor.components)


def _missing(tensor: str, nodes: Mapping[str, object]) -> TensorMissing:
    import difflib

    close = difflib.get_close_matches(node_of(tensor), list(nodes)[:10_000], n=3)
    hint = f"Close names: {', '.join(f'{name}:0' for name in close)}." if close else ""
    return TensorMissing(f"the graph has no tensor {tensor!r}", hint=hint)


def _output_dtypes(
    meta_graph: saved_model_pb2.MetaGraphDef, node: framework_pb2.NodeDef
) -> tuple[DType, ...] | None:
    """Return the dtype of each output; None if the op or an attribute of it is not known."""
    op = schema.known(node.op)
    if op is None:
        for definition in (
            *meta_graph.meta_info_def.stripped_op_list.op,
            *(f.signature for f in meta_graph.graph_def.library.function),
        ):
            if definition.name == node.op:
                op = schema.from_proto(definition)
                break
        else:
            return None
    values: dict[str, AttrValue] = {
        name: attr.default
        for name, attr in op.attrs.items()
        if attr.default is not schema.Missing and not isinstance(attr.default, type)
    }
    try:
        for name in op.attrs:
            if name in node.attr:
                values[name] = attributes.decode(node.attr[name])
        return op.output_dtypes(values)
    except (GraphError, InvalidArgument):
        return None


def _known_shape(node: framework_pb2.NodeDef, index: int) -> Shape:
    if "_output_shapes" in node.attr and index < len(node.attr["_output_shapes"].list.shape):
        return attributes.shape(node.attr["_output_shapes"].list.shape[index])
    if "shape" in node.attr and node.op in {"Placeholder", "PlaceholderWithDefault"}:
        return attributes.shape(node.attr["shape"].shape)
    return None


def _check_dtype(what: str, info: TensorInfo, wanted: DType) -> None:
    if info.dtype != wanted.enum:
        raise BuildInvalid(f"{what} must be {wanted}; {info.name!r} has dtype number {info.dtype}")


def _dtype(dtype: DType | Any) -> DType:
    if isinstance(dtype, DType):
        return dtype
    try:
        return tensors.from_numpy(np.dtype(dtype))
    except (KeyError, TypeError):
        raise BuildInvalid(f"{dtype!r} is not a dtype that TensorFlow has") from None


def _shape(shape: Sequence[int | None] | None) -> framework_pb2.TensorShapeProto:
    if shape is None:
        return framework_pb2.TensorShapeProto(unknown_rank=True)
    if any(size is not None and size < 0 for size in shape):
        raise BuildInvalid(f"a shape can not have the sizes {list(shape)}; None is unknown")
    dims = [framework_pb2.TensorShapeProto.Dim(size=-1 if size is None else size) for size in shape]
    return framework_pb2.TensorShapeProto(dim=dims)
