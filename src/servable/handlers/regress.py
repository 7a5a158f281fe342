"""Regress: one number for each tf.Example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.errors import InvalidArgument
from servable.handlers.dtypes import dtype_of, wire_name
from servable.handlers.examples import Method, bracketed, check_input
from servable.tensors import FLOAT, Array, Signature

OUTPUT = "outputs"


def _fetches(signature: Signature) -> Sequence[str]:
    if len(signature.outputs) != 1:
        raise InvalidArgument("Expected one output Tensor.")
    check_input("regression", signature)
    if OUTPUT not in signature.outputs:
        raise InvalidArgument(f"No regression outputs found in SignatureDef: {signature}")
    return (OUTPUT,)


def _result(_: Signature, outputs: Mapping[str, Array], count: int) -> Array:
    """Return float32 [examples]."""
    if len(outputs) != 1:
        raise InvalidArgument(
            "Expected output_tensors and output_tensor_names to have the same size."
        )
    values = outputs[OUTPUT]
    if values.ndim != 1 and not (values.ndim == 2 and values.shape[1] == 1):
        raise InvalidArgument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {bracketed(values)}"
        )
    if len(values) != count:
        raise InvalidArgument(
            f"Input batch size did not match output batch size: {count} vs. {len(values)}"
        )
    if dtype_of(values) is not FLOAT:
        raise InvalidArgument(f"Expected output Tensor of DT_FLOAT.  Got: {wire_name(values)}")
    return values.reshape(-1)


REGRESS: Method[Array] = Method(
    name="tensorflow/serving/regress",
    noun="regression",
    outputs=f"one output, {OUTPUT} (float)",
    fetches=_fetches,
    result=_result,
)
