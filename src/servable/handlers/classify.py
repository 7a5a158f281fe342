"""Classify: for each tf.Example labels, scores or both, in the order of the model's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servable.errors import InvalidArgument
from servable.handlers.dtypes import dtype_of, wire_name
from servable.handlers.examples import Method, bracketed, check_input
from servable.tensors import FLOAT, STRING, Array, DType, Signature

CLASSES, SCORES = "classes", "scores"


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of each example. At least one of the two is there, and shapes agree.

    Attributes:
        labels: object [examples, classes], elements are bytes.
        scores: float32 [examples, classes].
    """

    labels: Array | None
    scores: Array | None


def _fetches(signature: Signature) -> Sequence[str]:
    if len(signature.outputs) not in (1, 2):
        raise InvalidArgument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    check_input("classification", signature)
    fetches = _present(signature)
    if not fetches:
        raise InvalidArgument(
            "Expected classification signature outputs to contain at least one of "
            f'"{CLASSES}" or "{SCORES}". Signature was: {signature}'
        )
    return fetches


def _present(signature: Signature) -> Sequence[str]:
    return [alias for alias in (CLASSES, SCORES) if alias in signature.outputs]


def _result(signature: Signature, outputs: Mapping[str, Array], count: int) -> Classes:
    expected = len(_present(signature))
    if len(outputs) != expected:
        raise InvalidArgument(f"Expected {expected} output tensor(s).  Got: {len(outputs)}")
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    if labels is not None:
        _check(CLASSES, labels, STRING, count)
    if scores is not None:
        _check(SCORES, scores, FLOAT, count)
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise InvalidArgument(
            "Tensors class and score should match in dim_size(1). "
            f"Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    return Classes(labels, scores)


def _check(alias: str, array: Array, dtype: DType, count: int) -> None:
    if array.ndim != 2:
        raise InvalidArgument(
            f"Expected Tensor shape: [batch_size num_classes] but got {bracketed(array)}"
        )
    if dtype_of(array) is not dtype:
        raise InvalidArgument(
            f"Expected {alias} Tensor of {dtype.wire_name}. Got: {wire_name(array)}"
        )
    if len(array) != count:
        raise InvalidArgument(f"Expected {alias} output batch size of {count}. Got: {len(array)}")


CLASSIFY: Method[Classes] = Method(
    name="tensorflow/serving/classify",
    noun="classification",
    outputs=f"the outputs {CLASSES} (string), {SCORES} (float) or both",
    fetches=_fetches,
    result=_result,
)
