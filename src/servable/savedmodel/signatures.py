"""SignatureDef -> Signature."""

from __future__ import annotations

from collections.abc import Mapping

from servable import tensors
from servable.errors import InvalidArgument
from servable.pb import saved_model_pb2
from servable.savedmodel.errors import SignatureInvalid
from servable.tensor_proto import decode, decode_shape
from servable.tensors import Signature, TensorSpec

# A default is a constant that stands in for a small input, so a declared size beyond
# this is a mistake or an attack on memory.
MAX_DEFAULT_BYTES = 2**26


def read_signature(stored: saved_model_pb2.SignatureDef, where: str) -> Signature:
    """Return a signature as stored; whether the graph has its tensors is not looked at.

    Args:
        stored: the message.
        where: file and signature name, for error texts.

    Raises:
        SignatureInvalid: a shape has a size below -1, or a default can not be
            decoded or is larger than `MAX_DEFAULT_BYTES`.
    """
    try:
        return Signature(
            inputs=_specs(stored.inputs),
            outputs=_specs(stored.outputs),
            method_name=stored.method_name,
            defaults={
                alias: decode(stored.defaults[alias], limit_bytes=MAX_DEFAULT_BYTES)
                for alias in sorted(stored.defaults)
            },
            stored=stored.SerializeToString(deterministic=True),
        )
    except InvalidArgument as error:
        raise SignatureInvalid(f"{where}: {error}") from None


def _specs(infos: Mapping[str, saved_model_pb2.TensorInfo]) -> dict[str, TensorSpec]:
    return {alias: _spec(infos[alias]) for alias in sorted(infos)}


def _spec(info: saved_model_pb2.TensorInfo) -> TensorSpec:
    try:
        dtype = tensors.from_enum(info.dtype)
    except KeyError:
        dtype = None  # unset, or one that no kernel here computes with
    return TensorSpec(info.name, dtype, decode_shape(info.tensor_shape))
