"""What `--input_exprs` understands, and what it refuses to run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.cli.expressions import evaluate
from servable.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, -2.5, True]", [1, -2.5, True]),
        ("('a', b'b', None)", ("a", b"b", None)),
        ("[{'age': [41]}]", [{"age": [41]}]),
        ("np.ones((2, 3))", np.ones((2, 3))),
        ("np.zeros(3, dtype=np.int32)", np.zeros(3, np.int32)),
        ("np.full([2], 7.5)", np.full(2, 7.5)),
        ("np.arange(6).reshape(2, 3)", np.arange(6).reshape(2, 3)),
        ("np.arange(2, 8, 2)", np.arange(2, 8, 2)),
        ("numpy.linspace(0, 1, 5) * 2 + 1", np.linspace(1, 3, 5)),
        ("-np.array([1.5]).astype(np.float32)", np.array([-1.5], np.float32)),
        ("np.float32(2) / 4", np.float32(0.5)),
        ("[np.nan, np.inf]", [np.nan, np.inf]),
        ("np.eye(2)", np.eye(2)),
    ],
)
def test_an_expression_is_the_value_that_python_gives_it(text: str, expected: Any) -> None:
    found = evaluate(f" {text} ")
    if isinstance(expected, np.ndarray | np.generic):
        np.testing.assert_array_equal(found, expected, strict=True)
    else:
        assert repr(found) == repr(expected)


def test_random_arrays_have_the_shape_asked_for() -> None:
    assert evaluate("np.random.rand(2, 3)").shape == (2, 3)
    assert evaluate("np.random.randint(0, 9, (4,))").shape == (4,)
    assert evaluate("np.random.random((1, 2)).astype(np.float32)").dtype == np.float32


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "np.load('x.npy')",
        "np.fromfile('x')",
        "np.ones.__globals__",
        "np.ones((2,)).tofile('x')",
        "[x for x in (1,)]",
        "lambda: 1",
        "x",
        "1 if True else 2",
        "9 ** 9 ** 9",
        "f'{1}'",
        "np.ones(**{'shape': 1})",
        "'a' * 1000000000",
        "[1] * 1000000000",
        "np",
        "",
        "1 +",
        "(" * 10_000,
        "np.ones((2, 3)).reshape(7)",
        "0/0",
        "1/0.0",
        f"1{'0' * 400}/3",
        "np.arange(0, 1, 0)",
        "np.int8(300)",
    ],
)
def test_anything_else_is_refused_and_nothing_is_run(text: str) -> None:
    with pytest.raises(InvalidArgument):
        evaluate(text)


@pytest.mark.parametrize(
    "text",
    [
        "np.ones((1000000, 1000000))",
        "np.zeros(shape=[10000000000])",
        "np.full((99999, 99999), 1)",
        "np.arange(1e12)",
        "np.arange(0, 1, 1e-12)",
        "np.linspace(0, 1, 10000000000)",
        "np.eye(1000000)",
        "np.random.rand(100000, 100000)",
        "np.random.uniform(0, 1, (100000, 100000))",
        "np.arange(10000).reshape(-1, 1) + np.arange(10000)",
    ],
)
def test_an_absurd_array_is_refused_before_memory_is_taken(text: str) -> None:
    with pytest.raises(InvalidArgument, match="more than 1 GiB"):
        evaluate(text)


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(literals)
def test_literals_come_back_as_they_were_written(value: Any) -> None:
    text = repr(value)
    if "inf" not in text:
        assert evaluate(text) == value


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(InvalidArgument):
        evaluate(text)
