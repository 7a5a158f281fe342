"""Recurrent layers as one node; `graph.passes.recurrent` makes them out of loops.

x is [steps, batch, inputs]. The products with x are one matrix product for all steps;
what is left for each step works in buffers that are made once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


def _projected(x: Array, steps: Any, k: Array, b: Array) -> Array:
    """x K + b for every step."""
    count = int(steps)
    if count > len(x):
        raise InvalidArgument(
            f"Trying to access element {len(x)} in a list with {len(x)} elements."
        )
    if x.ndim != 3 or x.shape[2] != k.shape[0]:
        raise InvalidArgument(f"a recurrent layer of {k.shape[0]} inputs got {list(x.shape)}")
    used = x[: max(count, 0)]
    check_size((*used.shape[:2], k.shape[1]), used.itemsize)
    return (used.reshape(-1, k.shape[0]) @ k + b).reshape(*used.shape[:2], k.shape[1])


def _sigmoid(x: Array) -> None:
    """In place. Through tanh, which neither overflows nor needs a temporary."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5


@op("_LSTM")
def lstm(build: Build) -> Kernel:
    """Every h, the last h and the last c."""
    del build

    def kernel(x: Array, steps: Any, h: Array, c: Array, k: Array, r: Array, b: Array) -> Any:
        z = _projected(x, steps, k, b)
        units = r.shape[0]
        every = np.empty((*z.shape[:2], units), z.dtype)
        product = np.empty(z.shape[1:], z.dtype)
        c = c.copy()
        for step, gates in enumerate(z):
            gates += np.matmul(h, r, out=product)
            # In the order i, f, g, o.
            _sigmoid(gates[:, : 2 * units])
            g = gates[:, 2 * units : 3 * units]
            np.tanh(g, out=g)
            _sigmoid(gates[:, 3 * units :])
            c *= gates[:, units : 2 * units]
            g *= gates[:, :units]
            c += g
            h = np.tanh(c, out=every[step])
            h *= gates[:, 3 * units :]
        return every, h, c

    return kernel


@op("_GRU")
def gru(build: Build) -> Kernel:
    """Every h, and the last; the reset gate acts after the product."""
    del build

    def kernel(x: Array, steps: Any, h: Array, k: Array, r: Array, b: Array, d: Array) -> Any:
        xs = _projected(x, steps, k, b)
        units = r.shape[0]
        every = np.empty((*xs.shape[:2], units), xs.dtype)
        product = np.empty(xs.shape[1:], xs.dtype)
        for step, gates in enumerate(xs):
            np.matmul(h, r, out=product)
            product += d
            # In the order z, r, h.
            both = gates[:, : 2 * units]
            both += product[:, : 2 * units]
            _sigmoid(both)
            new = gates[:, 2 * units :]
            product[:, 2 * units :] *= gates[:, units : 2 * units]
            new += product[:, 2 * units :]
            np.tanh(new, out=new)
            # h' = n + z (h - n)
            out = np.subtract(h, new, out=every[step])
            out *= gates[:, :units]
            out += new
            h = out
        return every, h

    return kernel
