"""Signatures as SignatureDef messages: what was stored, or made from what is known."""

from __future__ import annotations

from collections.abc import Mapping

from servable import tensor_proto
from servable.pb import saved_model_pb2, serving_pb2
from servable.tensors import Signature, TensorSpec

ANY_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
"""The type URL of the message that `signature_map` returns, inside an Any."""


def signature_map(signatures: Mapping[str, Signature]) -> serving_pb2.SignatureDefMap:
    """Return all signatures, each as stored where it was read from a file."""
    message = serving_pb2.SignatureDefMap()
    for name, signature in signatures.items():
        _fill(message.signature_def[name], signature)
    return message


def _fill(message: saved_model_pb2.SignatureDef, signature: Signature) -> None:
    if signature.stored:
        message.MergeFromString(signature.stored)
        return
    for alias, spec in signature.inputs.items():
        _fill_info(message.inputs[alias], spec)
    for alias, spec in signature.outputs.items():
        _fill_info(message.outputs[alias], spec)
    message.method_name = signature.method_name
    for alias, array in signature.defaults.items():
        spec = signature.inputs[alias]
        message.defaults[alias].CopyFrom(tensor_proto.encode(array, dtype=spec.dtype))


def _fill_info(message: saved_model_pb2.TensorInfo, spec: TensorSpec) -> None:
    message.name = spec.name
    if spec.dtype is not None:
        message.dtype = spec.dtype.enum  # type: ignore[assignment]  # the stub wants the enum's own type
    if spec.shape is None:
        message.tensor_shape.unknown_rank = True
        return
    message.tensor_shape.SetInParent()  # a scalar's shape is empty, and still set
    for size in spec.shape:
        message.tensor_shape.dim.add(size=-1 if size is None else size)
