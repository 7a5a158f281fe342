"""Requests that are computed together get the answers that they get alone, whatever the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from edited_models import MODELS
from google.protobuf import text_format

from servable import edit
from servable.batching.natural import NaturallyBatched
from servable.batching.trials import ENOUGH
from servable.client.examples import make_example
from servable.engine.backends.null import NullBackend
from servable.errors import ServableError
from servable.pb import framework_pb2
from servable.pb._pool import POOL
from servable.servables.saved_model import SavedModelLoader, SavedModelServable
from servable.tensors import Array

PATIENCE = 60
ROUNDS, TOGETHER, ROWS = 40, 6, 16
LARGEST = 5
"""Rows of a request. Larger runs are of several, or try whether that is the same."""

Inputs = dict[str, Array]
Answer = Mapping[str, Array] | ServableError

F = "attr { key: 'T' value { type: DT_FLOAT } }"
ALONG = f"{F} attr {{ key: 'Tidx' value {{ type: DT_INT32 }} }}"
SCALE = """node { name: 's' op: 'Shape' input: 'x' attr { key: 'T' value { type: DT_FLOAT } }
                  attr { key: 'out_type' value { type: DT_INT32 } } }
           node { name: 'n' op: 'StridedSlice' input: ['s', 'zeros', 'ones', 'ones']
                  attr { key: 'T' value { type: DT_INT32 } }
                  attr { key: 'Index' value { type: DT_INT32 } }
                  attr { key: 'shrink_axis_mask' value { i: 1 } } }"""

GRAPHS = {
    "relu": f"node {{ name: 'y' op: 'Relu' input: 'x' {F} }}",
    "softmax": f"node {{ name: 'y' op: 'Softmax' input: 'x' {F} }}",
    "running sum of rows": f"node {{ name: 'y' op: 'Cumsum' input: ['x', 'zero'] {ALONG} }}",
    "running sum of features": f"node {{ name: 'y' op: 'Cumsum' input: ['x', 'last'] {ALONG} }}",
    "centred": f"""
        node {{ name: 'm' op: 'Mean' input: ['x', 'zero'] {ALONG}
                attr {{ key: 'keep_dims' value {{ b: true }} }} }}
        node {{ name: 'y' op: 'Sub' input: ['x', 'm'] {F} }}""",
    "gram matrix": f"""
        node {{ name: 'y' op: 'BatchMatMulV2' input: ['x', 'x'] {F}
                attr {{ key: 'adj_y' value {{ b: true }} }} }}""",
    "rows backwards": f"node {{ name: 'y' op: 'ReverseV2' input: ['x', 'zeros'] {ALONG} }}",
    "nothing of more than eight rows": f"""{SCALE}
        node {{ name: 'many' op: 'Greater' input: ['n', 'eight']
                attr {{ key: 'T' value {{ type: DT_INT32 }} }} }}
        node {{ name: 'no' op: 'ZerosLike' input: 'x' {F} }}
        node {{ name: 'y' op: 'SelectV2' input: ['many', 'no', 'x'] {F} }}""",
    "doubled from eight rows": f"""{SCALE}
        node {{ name: 'f' op: 'FloorDiv' input: ['n', 'eight']
                attr {{ key: 'T' value {{ type: DT_INT32 }} }} }}
        node {{ name: 'k' op: 'Cast' input: 'f' attr {{ key: 'SrcT' value {{ type: DT_INT32 }} }}
                attr {{ key: 'DstT' value {{ type: DT_FLOAT }} }} }}
        node {{ name: 'p' op: 'Mul' input: ['x', 'k'] {F} }}
        node {{ name: 'y' op: 'AddV2' input: ['x', 'p'] {F} }}""",
}
"""Graphs from x to y."""

CONSTANTS = {"zero": 0, "last": -1, "eight": 8, "zeros": [0], "ones": [1]}


def graph(nodes: str) -> framework_pb2.GraphDef:
    made = framework_pb2.GraphDef()
    placeholder = """node { name: 'x' op: 'Placeholder'
                            attr { key: 'dtype' value { type: DT_FLOAT } } }"""
    text_format.Parse(placeholder + nodes, made, descriptor_pool=POOL)
    for name, value in CONSTANTS.items():
        array = np.array(value, np.int32)
        dims = "".join(f"dim {{ size: {size} }}" for size in array.shape)
        text_format.Parse(
            f"""node {{ name: '{name}' op: 'Const'
                attr {{ key: 'dtype' value {{ type: DT_INT32 }} }}
                attr {{ key: 'value' value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ {dims} }}
                int_val: {array.ravel().tolist()} }} }} }} }}""",
            made,
            descriptor_pool=POOL,
        )
    made.versions.producer = 2000
    return made


def loaded(folder: Path) -> SavedModelServable:
    loader = SavedModelLoader(folder, backend=NullBackend(lambda _: False))
    loader.load()
    return loader.servable()


class Held:
    """A servable whose runs wait until they are let, so that requests surely meet.

    Attributes:
        waiting: runs that wait.
        rows: of each run.
    """

    def __init__(self, inner: SavedModelServable) -> None:
        self._inner = inner
        self._changed = threading.Condition()
        self.signatures = inner.signatures
        self.mixing = inner.mixing
        self.open = False
        self.waiting = 0
        self.rows: list[int] = []

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        with self._changed:
            self.waiting += 1
            self.rows.append(max(len(np.atleast_1d(array)) for array in inputs.values()))
            assert self._changed.wait_for(lambda: self.open, PATIENCE)
            self.waiting -= 1
        return self._inner.run(signature, inputs, fetches)

    def let(self, open: bool) -> None:
        with self._changed:
            self.open = open
            self._changed.notify_all()


def answered(ask: Callable[[], Mapping[str, Array]]) -> Answer:
    try:
        return ask()
    except ServableError as error:
        return error


def assert_same(alone: Answer, beside: Answer) -> None:
    if isinstance(alone, ServableError) or isinstance(beside, ServableError):
        assert type(alone) is type(beside)
        assert str(alone) == str(beside)
        return
    assert alone.keys() == beside.keys()
    for alias, expected in alone.items():
        actual = beside[alias]
        assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(expected, actual, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(expected, actual)


def compare(
    model: SavedModelServable, signature: str, requests: Callable[[np.random.Generator], Inputs]
) -> int:
    """Send requests that meet, and compare; returns how many runs were of several of them."""
    held = Held(model)
    batched = NaturallyBatched(held, "m", rows=ROWS)
    fetches = tuple(model.signatures[signature].outputs)
    random = np.random.default_rng(7)
    pause = threading.Event()

    def arrived() -> int:
        lanes = [lane for lane in batched._lanes.values() if lane is not None]
        return held.waiting + sum(len(lane._queue) for lane in lanes)

    def ask(servable: SavedModelServable | NaturallyBatched, inputs: Inputs) -> Answer:
        return answered(lambda: servable.run(signature, inputs, fetches))

    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in range(ROUNDS):
            sent = [requests(random) for _ in range(TOGETHER)]
            futures = [pool.submit(ask, batched, inputs) for inputs in sent]
            for _ in range(10_000):
                if arrived() == TOGETHER:
                    break
                pause.wait(0.001)
            held.let(open=True)
            answers = [future.result(PATIENCE) for future in futures]
            held.let(open=False)
            for inputs, answer in zip(sent, answers, strict=True):
                assert_same(ask(model, inputs), answer)
    return sum(rows > LARGEST for rows in held.rows)


def shaped(random: np.random.Generator, shape: Sequence[int]) -> Array:
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", ["(None, None)", "None"])
@pytest.mark.parametrize("name", GRAPHS)
def test_answers_do_not_depend_on_who_else_asks(name: str, shape: str, tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "m")
    info = edit.build_tensor_info
    known = (None, None) if shape != "None" else None
    signature = edit.predict_signature_def(
        {"x": info("x", np.float32, known)}, {"y": info("y", np.float32, known)}
    )
    builder.add_meta_graph_and_variables(
        graph(GRAPHS[name]), {}, ["serve"], signature_def_map={"serving_default": signature}
    )
    model = loaded(builder.save())
    matrices = 0

    def matrix_or_vector(random: np.random.Generator) -> Inputs:
        # Vectors come once answers for matrices have been compared.
        nonlocal matrices
        matrices += 1
        rows = int(random.choice([0, 1, 1, 2, 3, LARGEST]))
        vector = matrices > ROUNDS * TOGETHER // 2 and random.random() < 0.5
        return {"x": shaped(random, (rows,) if vector else (rows, 3))}

    merged = compare(model, "serving_default", matrix_or_vector)
    assert (merged > 2 * ENOUGH) == (name in {"relu", "softmax", "running sum of features"})


def test_a_dense_net_is_batched_and_answers_the_same() -> None:
    model = loaded(MODELS / "tf2_mlp")
    (name,) = (each for each in model.signatures if not each.startswith("__"))
    signature = model.signatures[name]

    def rows(random: np.random.Generator) -> Inputs:
        count = int(random.integers(1, LARGEST + 1))
        return {
            alias: shaped(random, (count, *(size or 1 for size in (spec.shape or ())[1:])))
            for alias, spec in signature.inputs.items()
        }

    assert compare(model, name, rows) > 2 * ENOUGH


def test_examples_are_batched_and_a_bad_one_spoils_no_other() -> None:
    model = loaded(MODELS / "tf2_inference")

    def examples(random: np.random.Generator) -> Inputs:
        made = [make_example({"x": [random.random()]}).SerializeToString() for _ in range(2)]
        if random.random() < 0.2:
            made[1] = b"\xff"
        return {"inputs": np.array(made[: int(random.integers(1, 3))], object)}

    compare(model, "regress", examples)
