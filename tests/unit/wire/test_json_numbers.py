"""The fast path for numbers gives what the exact path gives, or leaves a body to it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import simdjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servable import tensors
from servable.errors import ServableError
from servable.tensors import DType, Signature, TensorSpec
from servable.wire import json_columns, json_numbers, json_predict, json_rows
from servable.wire.json_predict import FAST_FROM_BYTES, PredictBody
from servable.wire.json_scan import scan

DTYPES = [d for d in tensors.DTYPES if d.numpy.kind in "iufbO" and d.field]

EDGES = [0, 1, 127, 128, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30]

numbers = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([sign * edge + step for edge in EDGES for sign in (1, -1) for step in (0, -1)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 0.1, 1e-320, 3.4e38, 3.5e38, 1e300]),
)
strangers = st.sampled_from([True, False, None, "1", "[", float("nan"), float("inf"), {}, {"a": 1}])


@st.composite
def nested(draw: st.DrawFn) -> Any:
    """Lists that are regular but for, sometimes, one place that is not."""
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    one_kind = draw(st.sampled_from([numbers, st.integers(-100, 100), st.booleans()]))

    def build(level: int) -> Any:
        if level == len(shape):
            return draw(one_kind)
        return [build(level + 1) for _ in range(shape[level])]

    value = build(0)
    if draw(st.booleans()):
        value = spoiled(value, draw)
    return value


def spoiled(value: Any, draw: st.DrawFn) -> Any:
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [spoiled(item, draw) if i == place else item for i, item in enumerate(value)]
    wrong_nesting: list[Any] = [[value], [value, value], [], [[]], 7]
    if isinstance(value, list):
        wrong_nesting.append(value * 2)
    return draw(st.sampled_from(wrong_nesting) | strangers | numbers)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, Signature]:
    aliases = draw(st.sampled_from([["x"], ["x"], ["a", "b"], ["[", "é"], ['"', "\\"]]))
    values = {alias: draw(nested()) for alias in aliases}
    document: dict[str, Any] = {}
    if draw(st.booleans()):
        document["inputs"] = values if draw(st.booleans()) else values[aliases[0]]
    else:
        document["instances"] = values[aliases[0]]
    if draw(st.integers(0, 4)) == 0:
        document["signature_name"] = draw(st.sampled_from(["s", "[", "]", "[[1]]", '"', "\\"]))
    if draw(st.integers(0, 4)) == 0:
        document["other"] = draw(st.sampled_from([[1], "[1]", {"a": [1]}, 3]))
    if draw(st.booleans()):
        document = dict(reversed(document.items()))
    layouts: list[dict[str, Any]] = [{}, {"indent": 1}, {"separators": (",", ":")}]
    layout = draw(st.sampled_from(layouts))
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), **layout)
    specs = {alias: TensorSpec(alias, draw(st.sampled_from(DTYPES)), None) for alias in aliases}
    return text.encode(), Signature(specs, {})


def exactly(body: bytes, signature: Signature) -> Any:
    root = scan(body)
    if "instances" in root:
        return json_rows.decode(root, signature)
    return json_columns.decode(root, signature)


def decoded(body: bytes, signature: Signature) -> Any:
    return PredictBody(body).decode(signature)[1]


def long_enough(body: bytes) -> bytes:
    """Add blanks, so that the fast path is tried."""
    return body.ljust(FAST_FROM_BYTES)


def outcome(decode: Callable[[bytes, Signature], Any], body: bytes, signature: Signature) -> Any:
    try:
        arrays = decode(body, signature)
    except ServableError as error:
        return type(error), error.message
    return {
        # The bytes and not the values: -0.0 and NaN are compared too.
        a: (array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes())
        for a, array in arrays.items()
    }


def one(dtype: DType) -> Signature:
    return Signature({"x": TensorSpec("x", dtype, None)}, {})


@settings(max_examples=300, deadline=None)
@given(bodies())
@example((b'{"inputs": [[1,2],[3,4,5],[6]]}', one(tensors.FLOAT)))
@example((b'{"inputs": [[1],[],[2]]}', one(tensors.FLOAT)))
@example((b'{"inputs": [[],[1]]}', one(tensors.FLOAT)))
@example((b'{"inputs": [[1,2],[3,[4]]]}', one(tensors.INT32)))
@example((b'{"inputs": [[1,2],[3]], "inputs": [[4,5],[6,7]]}', one(tensors.INT32)))
@example((b'{"inputs": [1], "inputs": 5}', one(tensors.INT32)))
@example((b'{"inputs": [1, [2]]}', one(tensors.INT32)))
@example((b'{"inputs": [[1, [2]], [3, 4]]}', one(tensors.INT32)))
@example((b'{"inputs": [[1, 2], 3, 4]}', one(tensors.INT32)))
@example((b'{"inputs": [[1, 2], [3, 4, 5], [6]], "a": "["}', one(tensors.INT32)))
@example((b'{"inputs": [[[1], [2]], [3, 4]], "a": []}', one(tensors.INT32)))
@example((rb'{"s":"\"[[,],[,],[,]]","inputs":[[1,2],[3,4,5],[6]]}', one(tensors.INT32)))
def test_all_paths_answer_alike(case: tuple[bytes, Signature]) -> None:
    body, signature = case
    expected = outcome(exactly, body, signature)
    assert outcome(decoded, body, signature) == expected
    with pytest.MonkeyPatch.context() as patch:
        for bytes_an_array in (0, 1, 10**9):  # asks the arrays, or looks at the bytes
            patch.setattr(json_numbers, "_BYTES_AN_ARRAY", bytes_an_array)
            assert outcome(decoded, long_enough(body), signature) == expected


FAST = [
    tensors.FLOAT, tensors.DOUBLE, tensors.INT8, tensors.INT16, tensors.INT32, tensors.INT64,
    tensors.UINT8, tensors.UINT32, tensors.UINT64,
]  # fmt: skip


@pytest.mark.parametrize("dtype", FAST, ids=repr)
@pytest.mark.parametrize(
    "form",
    [
        '{{"instances": {0}}}',
        '{{"signature_name": "serving_default", "instances": {0}}}',
        '{{"inputs": {0}}}',
        '{{"inputs": {{"x": {0}}}}}',
        '{{ "inputs" : {{ "x" : {0} }} , "signature_name" : "a" }}',
    ],
)
def test_numbers_are_not_walked_one_by_one(
    dtype: DType, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_predict, "read_object", None)  # the exact path can not be taken
    value = np.arange(24).reshape(2, 3, 4)
    body = long_enough(form.format(json.dumps(value.tolist())).encode())

    _, arrays = PredictBody(body).decode(one(dtype))

    assert arrays["x"].dtype == dtype.numpy
    np.testing.assert_array_equal(arrays["x"], value)


def test_several_inputs_are_told_apart_whatever_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_predict, "read_object", None)
    specs = {a: TensorSpec(a, d, None) for a, d in zip("abc", FAST, strict=False)}
    for seed in range(6):
        order = random.Random(seed).sample("abc", 3)
        inputs = {alias: [[ord(alias)] * (1 + i)] * 2 for i, alias in enumerate(order)}
        body = long_enough(json.dumps({"inputs": inputs}).encode())

        _, arrays = PredictBody(body).decode(Signature(specs, {}))

        assert {a: array.tolist() for a, array in arrays.items()} == inputs
        assert {a: array.dtype for a, array in arrays.items()} == {
            a: spec.dtype.numpy for a, spec in specs.items() if spec.dtype
        }


def test_bodies_keep_their_numbers_while_others_are_parsed() -> None:
    texts = [b'{"instances":[%s]}' % b",".join([b"%d" % number] * 999) for number in range(6)]
    for _ in range(2):
        members = [json_numbers.members(text, ("instances",)) for text in texts]
        for number, (text, found) in enumerate(zip(texts, members, strict=True)):
            assert found is not None
            nested = cast(simdjson.Array, found["instances"])
            arrays = json_numbers.arrays(text, [(nested, tensors.FLOAT)])
            assert arrays is not None
            np.testing.assert_array_equal(arrays[0], np.full(999, number, np.float32))
            assert json_numbers.members(b"{" * (number + 1), ()) is None


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", ":")])
def test_long_bodies_of_many_small_arrays(separators: tuple[str, str]) -> None:
    values = np.random.default_rng(0).normal(size=(2, 40, 50, 3))
    signature = Signature({"x": TensorSpec("x", tensors.DOUBLE, None)}, {})
    rows = values.tolist()
    body = json.dumps({"instances": rows}, separators=separators).encode()
    assert len(body) > 2**17
    np.testing.assert_array_equal(PredictBody(body).decode(signature)[1]["x"], values)
    rows[1][20][30].append(rows[1][20][31].pop())
    other = json.dumps({"instances": rows}, separators=separators).encode()
    assert len(other) == len(body)
    with pytest.raises(ServableError, match="unexpected size: 4 at level: 2 expected size: 3"):
        PredictBody(other).decode(signature)
