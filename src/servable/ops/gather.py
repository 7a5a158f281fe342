"""Elements and slices picked by index."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument, NotFound
from servable.graph.ir import Node
from servable.ops.islands import constant, constants
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.resources import Variable
from servable.ops.support import blank, first_outside, in_range, scalar
from servable.ops.text import dims
from servable.tensors import Array


def _check_indices(indices: Array, size: int) -> None:
    if not in_range(indices, size):
        place, value = first_outside(indices, size)
        raise InvalidArgument(f"indices{place} = {value} is not in [0, {size})")


def _gathered(params: Array, indices: Array, axis: int, batch_dims: int) -> Any:
    """Slices of `params` along `axis`, apart for each place in the first `batch_dims`.

    Raises:
        InvalidArgument: an index is out of range, or the ranks do not allow it.
    """
    if params.ndim < (axis + 1 if axis >= 0 else -axis):
        if not params.ndim:
            raise InvalidArgument("params must be at least 1 dimensional")
        least = axis + 1 if axis >= 0 else -axis
        raise InvalidArgument(f"Shape must be at least rank {least} but is rank {params.ndim}")
    axis = axis % params.ndim
    batch_dims = _batch_dims(params, indices, axis, batch_dims)
    size = params.shape[axis]
    batch, before = params.shape[:batch_dims], params.shape[batch_dims:axis]
    behind, within = params.shape[axis + 1 :], indices.shape[batch_dims:]
    shape = check_size((*batch, *before, *within, *behind), params.dtype.itemsize)
    if 0 in shape:
        return np.empty(shape, params.dtype)
    _check_indices(indices, size)
    if not batch_dims:
        return params.take(indices.reshape(-1), axis).reshape(shape)
    count = math.prod(batch)
    blocks = params.reshape((count, math.prod(before), size, math.prod(behind)))
    picked = blocks[np.arange(count)[:, None], :, indices.reshape((count, -1))]
    return picked.swapaxes(1, 2).reshape(shape)


def _batch_dims(params: Array, indices: Array, axis: int, batch_dims: int) -> int:
    if not batch_dims:
        return 0
    if not -indices.ndim <= batch_dims <= indices.ndim:
        raise InvalidArgument(
            f"Expected batch_dims in the range [{-indices.ndim}, {indices.ndim}], but got"
            f" {batch_dims}"
        )
    if batch_dims < 0:
        batch_dims += indices.ndim
    if batch_dims >= params.ndim:
        raise InvalidArgument(
            f"batch_dims ({batch_dims}) must be less than rank(params) ({params.ndim})."
        )
    if batch_dims > axis:
        raise InvalidArgument(
            f"batch_dims ({batch_dims}) must be less than or equal to axis ({axis})."
        )
    for d in range(batch_dims):
        if params.shape[d] != indices.shape[d]:
            raise InvalidArgument(
                f"params.shape[{d}]: {params.shape[d]} should be equal to indices.shape[{d}]:"
                f" {indices.shape[d]}"
            )
    return batch_dims


@op("Gather", no_effect="validate_indices")
def gather(build: Build) -> Kernel:
    """Slices along the first dimension. Indices are always checked, as TensorFlow's CPU does."""
    del build
    return lambda params, indices: _gathered(params, indices, 0, 0)


def _same_in_islands(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether OpenVINO gathers alike.

    It wraps negative indices around, and dies of some transpositions behind a matrix of
    indices. Indices must be constant, so that the backend can hold them against the
    sizes it meets.
    """
    indices = constant(node.inputs[1], nodes)
    return (
        indices is not None
        and indices.ndim < 2
        and indices.size > 0
        and bool((indices >= 0).all())
        and constants(2)(node, nodes)
        and node.attrs.get("batch_dims") == 0
    )


@op(
    "GatherV2",
    attrs="batch_dims",
    island=Island.LIGHT,
    island_among=_same_in_islands,
    int32=True,
)
def gather_v2(build: Build) -> Kernel:
    """Slices along a dimension."""
    batch_dims = build.int("batch_dims")
    return lambda params, indices, axis: _gathered(
        params, indices, scalar(axis, "axis must be scalar"), batch_dims
    )


def _value(variable: Variable) -> Array:
    """The value of a variable, with the error that these ops have where there is none."""
    if variable.value is None:
        raise NotFound(f"Resource localhost/{variable.name}/N10tensorflow3VarE does not exist.")
    return variable.read()


@op("ResourceGather", attrs="batch_dims", no_effect="validate_indices")
def resource_gather(build: Build) -> Kernel:
    """Slices of a variable along its first dimension behind the batch."""
    batch_dims = build.int("batch_dims")

    def kernel(variable: Variable, indices: Array) -> Any:
        axis = batch_dims if batch_dims >= 0 else batch_dims + indices.ndim
        return _gathered(_value(variable), indices, axis, batch_dims)

    return kernel


def rows_of(indices: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Places in a tensor as numbers of its slices.

    Args:
        indices: integers [..., depth].
        shape: the tensor's; its first `depth` dimensions are indexed.

    Returns:
        Numbers [n] of the slices, and bools [n] that say which are inside.
    """
    depth = indices.shape[-1]
    places = indices.reshape((math.prod(indices.shape[:-1]), depth)).astype(np.int64)
    sizes = np.asarray(shape[:depth], np.int64)
    inside = np.logical_and.reduce((places >= 0) & (places < sizes), axis=1)
    steps = [math.prod(shape[d + 1 : depth]) for d in range(depth)]
    rows: Array = places @ np.asarray(steps, np.int64)
    return rows, np.asarray(inside)


def ignores_outside(build: Build) -> bool:
    """Whether the node passes over indices that are out of range instead of refusing them."""
    policy = build.text("bad_indices_policy")
    if policy not in ("", "DEFAULT", "ERROR", "IGNORE"):
        raise build.unsupported(f"bad_indices_policy={policy!r}")
    return policy == "IGNORE"


def outside_text(indices: Array, inside: Array) -> str:
    """The last index that is out of range, as in `indices[1,0] = [2, 0]`."""
    number = int(np.flatnonzero(~inside)[-1])
    place = np.unravel_index(number, indices.shape[:-1])
    where = f"[{','.join(str(int(p)) for p in place)}]" if place else ""
    return f"indices{where} = {indices.reshape((-1, indices.shape[-1]))[number].tolist()}"


def _gathered_nd(params: Array, indices: Array, ignore: bool, name: str) -> Any:
    if not params.ndim:
        raise InvalidArgument("params must be at least a vector")
    if not indices.ndim:
        raise InvalidArgument("indices must be at least a vector")
    depth = indices.shape[-1]
    if depth > params.ndim:
        raise InvalidArgument(
            "index innermost dimension length must be <= params rank; saw:"
            f" {depth} vs. {params.ndim}"
        )
    inner = params.shape[depth:]
    shape = check_size((*indices.shape[:-1], *inner), params.dtype.itemsize)
    count = math.prod(shape[: indices.ndim - 1])
    if count and not params.size:
        raise InvalidArgument(
            "Requested more than 0 entries, but params is empty.  Params shape:"
            f" {dims(params.shape)}"
        )
    if not count:
        return np.empty(shape, params.dtype)
    rows, inside = rows_of(indices, params.shape)
    slices = params.reshape((math.prod(params.shape[:depth]), math.prod(inner)))
    if inside.all():
        return slices.take(rows, 0).reshape(shape)
    if not ignore:
        raise InvalidArgument(
            f"{outside_text(indices, inside)} does not index into param shape"
            f" {dims(params.shape)}, node name: {name}"
        )
    made = blank((count, math.prod(inner)), params.dtype)
    made[inside] = slices[rows[inside]]
    return made.reshape(shape)


@op("GatherNd", attrs="bad_indices_policy")
def gather_nd(build: Build) -> Kernel:
    """Elements or slices, each at an index of several numbers."""
    ignore, name = ignores_outside(build), build.node.name
    return lambda params, indices: _gathered_nd(params, indices, ignore, name)


@op("ResourceGatherNd")
def resource_gather_nd(build: Build) -> Kernel:
    """Elements or slices of a variable, each at an index of several numbers."""
    name = build.node.name
    return lambda variable, indices: _gathered_nd(_value(variable), indices, False, name)
