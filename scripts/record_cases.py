"""Record what TensorFlow answers for small graphs: tests/cases/spec -> tests/cases/recorded.

Run it with a Python that has TensorFlow: `python scripts/record_cases.py [family ...]`.

A spec file defines functions decorated with `@case("Op", …)`. Each builds a graph with
TensorFlow's own API, calling `feed(array)` for what a request would bring and passing
plain values for what is constant, and returns the tensors to fetch. The graph, the
feeds and TensorFlow's outputs (or the code of its error) go to one JSON file for each
op; the test suite reads those and needs no TensorFlow.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

CASES = Path(__file__).resolve().parent.parent / "tests" / "cases"

Builder = Callable[[], Any]

_registered: dict[str, list[tuple[str, Builder, dict[str, Any]]]] = {}
_feeds: list[tuple[Any, np.ndarray]] = []
_inits: list[Any] = []
_assets: dict[str, str] = {}


def case(
    op: str, /, *, tolerance: float = 1e-5, island: bool = True, **arguments: Any
) -> Callable[[Builder], Builder]:
    """Register a function that builds one case for an op; stack it for several.

    Args:
        op: the op that the case is about; its file is named after it.
        tolerance: largest difference allowed, relative to the largest magnitude; 0 for
            exact. Integers, strings and bools are always compared exactly.
        island: False where an island may differ within what TensorFlow leaves open.
        arguments: what the function is called with.
    """

    def register(build: Builder) -> Builder:
        label = " ".join([build.__name__, *(f"{k}={_short(v)}" for k, v in arguments.items())])
        options = {"tolerance": tolerance, "island": island}
        _registered.setdefault(op, []).append(
            (label, functools.partial(build, **arguments), options)
        )
        return build

    return register


def raw_case(
    op: str,
    note: str = "",
    /,
    fed: dict[str, Any] | None = None,
    *,
    ranks: bool = True,
    tolerance: float = 1e-5,
    island: bool = True,
    **fixed: Any,
) -> None:
    """Register a case that is one raw op of TensorFlow's.

    Args:
        op: the op.
        note: what is particular about the case; it becomes its name.
        fed: inputs that a request would bring; a list stands for several tensors.
        ranks: whether the graph knows the ranks of those.
        tolerance, island: as for `case`.
        fixed: all other arguments of the op, constant in the graph.
    """

    def bring(value: Any) -> Any:
        if isinstance(value, list):
            return [bring(v) for v in value]
        return feed(value, shape="rank" if ranks else None)

    def build() -> Any:
        inputs = {name: bring(value) for name, value in (fed or {}).items()}
        return getattr(tf.raw_ops, op)(**inputs, **fixed)

    build.__name__ = note or "plain"
    case(op, tolerance=tolerance, island=island)(build)


def feed(value: Any, dtype: Any = None, shape: Any = "rank") -> Any:
    """A placeholder that gets this value.

    Args:
        value: the value; str and bytes make string tensors.
        dtype: numpy dtype, where the value's own is not meant.
        shape: what the graph knows of the shape: by default its rank; None for nothing.
    """
    array = np.asarray(value, dtype)
    if array.dtype.kind in "SUO":
        flat = [s if isinstance(s, bytes) else str(s).encode() for s in array.ravel().tolist()]
        array = np.array([*flat, None], object)[:-1].reshape(array.shape)
    known = [None] * array.ndim if isinstance(shape, str) else shape
    kind = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
    placeholder = tf.compat.v1.placeholder(kind, known)
    _feeds.append((placeholder, array))
    return placeholder


def asset(content: bytes) -> Any:
    """A placeholder that gets the path of a file with this content, as assets are fed."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    placeholder = feed(file.name)
    _assets[placeholder.name] = file.name
    return placeholder


def init(op: Any) -> None:
    """Run this op once, before the fetches, as a SavedModel's init op would."""
    _inits.append(op)


def _short(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, np.ndarray) else value).replace(" ", "")
    return text if len(text) <= 40 else text[:37] + "..."


def _encode(value: Any) -> dict[str, Any]:
    array = np.asarray(value)
    if isinstance(value, bytes):  # what a session returns for a scalar string
        array = np.array([value, None], object)[:1].reshape(())
    if array.dtype == object:
        data: Any = [base64.b64encode(s).decode() for s in array.ravel().tolist()]
        number = tf.string.as_datatype_enum
    else:
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        number = tf.as_dtype(array.dtype).as_datatype_enum
    return {"dtype": int(number), "shape": list(array.shape), "data": data}


def _stored_asset(path: np.ndarray) -> dict[str, Any]:
    """The file itself in place of its path, which it has on this machine only."""
    file = Path(path.item().decode())
    content = base64.b64encode(file.read_bytes()).decode()
    file.unlink()
    return {**_encode(np.array(b"", object)), "asset": content}


def record(label: str, build: Builder, options: dict[str, Any]) -> dict[str, Any]:
    """Build one case's graph, run it, and return the record."""
    _feeds.clear()
    _inits.clear()
    _assets.clear()
    with tf.Graph().as_default() as graph:
        fetches = [tf.convert_to_tensor(t) for t in tf.nest.flatten([build()])]
        result = _run(graph, fetches)
    return {
        "name": label,
        **options,
        "graph": base64.b64encode(
            graph.as_graph_def().SerializeToString(deterministic=True)
        ).decode(),
        "init": [op.name for op in _inits],
        "feeds": [
            {
                "name": p.name,
                "known": None if p.shape.rank is None else p.shape.as_list(),
                **(_stored_asset(v) if p.name in _assets else _encode(v)),
            }
            for p, v in _feeds
        ],
        "fetches": [t.name for t in fetches],
        **result,
    }


def _run(graph: Any, fetches: list[Any]) -> dict[str, Any]:
    # Constant folding would answer in the kernels' place.
    options = tf.compat.v1.ConfigProto()
    options.graph_options.optimizer_options.opt_level = -1
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.compat.v1.Session(graph=graph, config=options) as session:
        try:
            for op in _inits:
                session.run(op)
            outputs = session.run(fetches, dict(_feeds))
        except tf.errors.OpError as error:
            said = _said(error.message)
            for path in _assets.values():
                said = said.replace(path, "asset")
            return {"error": error.error_code, "message": said[:300]}
    return {"outputs": [_encode(o) for o in outputs]}


def _said(message: str) -> str:
    """What a kernel said, without the places in Python that TensorFlow adds."""
    _, found, said = message.partition("\nNode: ")
    return (said.partition("\n")[2] if found else message).partition("\n\t [[{{")[0]


def main(families: list[str]) -> None:
    """Record the named families, or all."""
    for path in sorted((CASES / "spec").glob("*.py")):
        if families and path.stem not in families:
            continue
        _registered.clear()
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{path} can not be imported")
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        for op, cases in sorted(_registered.items()):
            lines = [json.dumps({"family": path.stem, **record(*c)}) for c in cases]
            (CASES / "recorded" / f"{op}.json").write_text("\n".join(lines) + "\n")
        count = sum(map(len, _registered.values()))
        print(f"{path.stem}: {count} cases of {len(_registered)} ops")


if __name__ == "__main__":
    sys.modules["record_cases"] = sys.modules["__main__"]
    main(sys.argv[1:])
