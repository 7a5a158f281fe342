"""Hints are short whatever strangers send, and readable."""

from __future__ import annotations

import numpy as np
import pytest
from served_models import spec

from servable import tensors
from servable.errors import Code, InvalidArgument, ServableError
from servable.handlers import hints
from servable.tensors import Signature


def test_a_hint_of_a_huge_model_is_cut() -> None:
    inputs = {f"input_{i}": spec(f"input_{i}:0") for i in range(100_000)}
    error = InvalidArgument("no")
    hints.explain(error, lambda: hints.wrong_inputs("s", Signature(inputs, {}), ["inputt_7"]))
    assert len(error.hint) == hints.MAX_CHARACTERS


def test_a_huge_wrong_name_is_not_compared() -> None:
    assert hints.closest("x" * 1_000_000, ["x" * 999_999, "x"]) == ""


@pytest.mark.parametrize("kind", ServableError.__subclasses__())
def test_only_errors_that_blame_the_request_are_explained(kind: type[ServableError]) -> None:
    error = kind("no")
    hints.explain(error, lambda: "do this")
    blames = kind.code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION)
    assert error.hint == ("do this" if blames else "")


def test_a_hint_that_is_there_stays() -> None:
    error = InvalidArgument("no", hint="first")
    hints.explain(error, lambda: "second")
    assert error.hint == "first"


def test_inputs_are_described_with_dtype_and_shape() -> None:
    signature = Signature(
        {
            "a": spec("a:0", tensors.FLOAT, (None, 3)),
            "b": spec("b:0", tensors.STRING),
            "c": spec("c:0", tensors.INT64, ()),
            "d": spec("d:0", None),
        },
        {"y": spec("y:0"), "z": spec("z:0")},
        defaults={"c": np.zeros(())},
    )
    assert hints.expected("s", signature) == (
        'Signature "s" takes a: float [?, 3]; b: string of any shape; c: one int64; '
        "d: no dtype, any shape (may be left out: c) and returns y, z."
    )
    assert hints.expected("s", Signature({}, {})) == (
        'Signature "s" takes no inputs and returns nothing.'
    )
