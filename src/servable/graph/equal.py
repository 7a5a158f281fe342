"""Whether two functions compute the same, node for node, under other names."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.graph.ir import Function, Node


def same(a: Function, b: Function) -> bool:
    """Compare two functions whose nodes are in running order.

    Exports often hold one function twice, as Keras's do under the signatures `serve` and
    `serving_default`. A difference in order counts as a difference: a wrong no costs time,
    a wrong yes an answer.
    """
    if len(a.nodes) != len(b.nodes) or len(a.args) != len(b.args):
        return False
    names = dict(zip(a.nodes, b.nodes, strict=True))

    def renamed(values: Any) -> list[tuple[str, int]]:
        return [(names[v.node], v.index) for v in values]

    def plain(values: Any) -> list[tuple[str, int]]:
        return [(v.node, v.index) for v in values]

    return (
        [names[arg] for arg in a.args] == list(b.args)
        and renamed(a.results) == plain(b.results)
        and [names[t] for t in a.targets] == list(b.targets)
        and all(
            x.op == y.op
            and x.dtypes == y.dtypes
            and renamed(x.inputs) == plain(y.inputs)
            and [names[c] for c in x.controls] == list(y.controls)
            and _same_attrs(x, y)
            for x, y in zip(a.nodes.values(), b.nodes.values(), strict=True)
        )
    )


def _same_attrs(x: Node, y: Node) -> bool:
    return x.attrs.keys() == y.attrs.keys() and all(
        _same_attr(value, y.attrs[name]) for name, value in x.attrs.items()
    )


def _same_attr(x: Any, y: Any) -> bool:
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray):
        # Bytes, so that nan equals itself and 0.0 does not equal -0.0.
        plain = x.dtype == y.dtype and x.shape == y.shape
        if x.dtype == object:
            return bool(plain and (x == y).all())
        return bool(plain and x.tobytes() == y.tobytes())
    return bool(x == y) and repr(x) == repr(y)
