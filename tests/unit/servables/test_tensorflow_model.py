"""The TensorFlow engine's own part, with a session that is none; tests/parity has the real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servable.errors import Code, InvalidArgument, ServableError, UnknownError
from servable.servables.tensorflow_model import TensorFlowServable
from servable.tensors import FLOAT, STRING, Array, Signature, TensorSpec


class OpError(Exception):
    """Shaped like TensorFlow's."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message


SIGNATURE = Signature(
    {"a": TensorSpec("a:0", FLOAT, None), "b": TensorSpec("b:0", FLOAT, None)},
    {"sum": TensorSpec("s:0", FLOAT, None), "text": TensorSpec("t:0", STRING, ())},
)


def servable(function: Any) -> TensorFlowServable:
    return TensorFlowServable({"f": SIGNATURE}, {"f": function}, OpError)


def fed(**values: float) -> dict[str, Array]:
    return {alias: np.array(value, np.float32) for alias, value in values.items()}


def test_inputs_go_in_the_order_of_the_signature_and_outputs_come_back_as_arrays() -> None:
    model = servable(lambda a, b: [a - b, b"a\0"])
    got = model.run("f", fed(b=2, a=5), ["text", "sum"])
    assert list(got) == ["text", "sum"]
    assert (got["sum"].item(), got["sum"].dtype.name) == (3, "float32")
    assert (got["text"].item(), got["text"].dtype.name, got["text"].shape) == (b"a\0", "object", ())


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED])
def test_a_refusal_keeps_tensorflows_code_and_text(code: Code) -> None:
    def refuse(*_: Array) -> list[Array]:
        raise OpError(int(code), "indices[0] = 7 is not in [0, 3)")

    with pytest.raises(ServableError) as caught:
        servable(refuse).run("f", fed(a=0, b=0), ["sum"])
    assert (caught.value.code, caught.value.message) == (code, "indices[0] = 7 is not in [0, 3)")


def test_a_code_that_nobody_knows_is_unknown() -> None:
    def refuse(*_: Array) -> list[Array]:
        raise OpError(99, "?")

    with pytest.raises(UnknownError):
        servable(refuse).run("f", fed(a=0, b=0), ["sum"])


def test_what_a_session_can_not_take_is_the_callers_fault() -> None:
    def refuse(*_: Array) -> list[Array]:
        raise ValueError("setting an array element with a sequence")

    with pytest.raises(InvalidArgument, match="array element"):
        servable(refuse).run("f", fed(a=0, b=0), ["sum"])
