"""Variables: resource handles, TF1 references, assignment and restoring."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument, OutOfRange
from servable.graph.passes.refs import variable_name
from servable.ops.registry import Build, Kernel, op
from servable.ops.resources import Variable
from servable.ops.support import bare, shape_text
from servable.tensors import Array


@op("VarHandleOp", attrs="shared_name", no_effect="container shape allowed_devices debug_name")
def var_handle(build: Build) -> Kernel:
    """A handle on a variable."""
    variable = build.environment.resources.variable(variable_name(build.node))
    return lambda: variable


@op("ReadVariableOp")
def read_variable(build: Build) -> Kernel:
    """The variable's value."""
    del build
    return lambda variable: variable.read()


@op("AssignVariableOp", attrs="validate_shape")
def assign_variable(build: Build) -> Kernel:
    """Give the variable a value."""
    validate = build.bool("validate_shape")

    def kernel(variable: Variable, value: Array) -> None:
        old = variable.value
        if validate and old is not None and old.shape != value.shape:
            raise InvalidArgument(
                f"Assign requires shapes of both tensors to match. lhs shape= {shape_text(old)}"
                f" rhs shape= {shape_text(value)}"
            )
        variable.assign(value)

    return kernel


@op("AssignAddVariableOp")
def assign_add(build: Build) -> Kernel:
    """Add to the variable."""
    del build
    return lambda variable, value: variable.update(lambda old: np.add(old, value))


@op("AssignSubVariableOp")
def assign_sub(build: Build) -> Kernel:
    """Subtract from the variable."""
    del build
    return lambda variable, value: variable.update(lambda old: np.subtract(old, value))


@op("VarIsInitializedOp")
def var_is_initialized(build: Build) -> Kernel:
    """Whether the variable has a value."""
    del build
    return lambda variable: np.asarray(variable.value is not None)


@op("RestoreV2")
def restore(build: Build) -> Kernel:
    """Tensors of the SavedModel's own checkpoint, whatever file name is fed.

    Reading any other file is outside what a graph may do here.
    """
    read = build.environment.restore

    def kernel(prefix: Array, names: Array, slices: Array) -> Any:
        del prefix
        if read is None:
            raise FailedPrecondition("checkpoints are read only while a model loads")
        if names.shape != slices.shape or names.ndim != 1:
            raise InvalidArgument("RestoreV2 needs as many slices as names")
        return bare([read(name, piece) for name, piece in zip(names, slices, strict=True)])

    return kernel


@op("VariableShape", attrs="out_type")
def variable_shape(build: Build) -> Kernel:
    """The sizes of the variable's dimensions."""
    dtype = build.type("out_type").numpy
    return lambda variable: np.asarray(variable.read().shape, dtype)


@op("ResourceCountUpTo", attrs="limit")
def count_up_to(build: Build) -> Kernel:
    """The variable's value, which is then one larger; an error once it has reached a limit."""
    limit = build.int("limit")

    def kernel(variable: Variable) -> Array:
        def step(old: Array) -> Array:
            if int(old) >= limit:
                raise OutOfRange(f"Reached limit of {limit}")
            return np.asarray(old + 1, old.dtype)

        return np.asarray(variable.update(step) - 1, variable.read().dtype)

    return kernel


@op("DestroyResourceOp", no_effect="ignore_lookup_error")
def destroy(build: Build) -> Kernel:
    """Nothing: a resource lives as long as its servable."""
    del build
    return lambda _resource: None


@op("DisableCopyOnRead")
def disable_copy_on_read(build: Build) -> Kernel:
    """Nothing: reads never copy here."""
    del build
    return lambda _resource: None


def _check_indices(indices: Array, size: int) -> None:
    wrong = np.flatnonzero((indices.ravel() < 0) | (indices.ravel() >= size))
    if wrong.size:
        where = int(wrong[0])
        raise InvalidArgument(
            f"indices[{where}] = {int(indices.ravel()[where])} is not in [0, {size})"
        )


_SCATTERED: dict[str, Any] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Min": np.minimum,
    "Max": np.maximum,
    "Update": None,
}


def _apply(change: Any, target: Array, index: Any, updates: Array) -> None:
    if change is None:
        target[index] = updates
    elif change is np.divide and target.dtype.kind in "iu":
        np.floor_divide.at(target, index, updates)
    else:
        change.at(target, index, updates)


def _scatter(name: str, change: Any) -> None:
    @op(f"ResourceScatter{name}")
    def make(build: Build) -> Kernel:
        del build

        def kernel(variable: Variable, indices: Array, updates: Array) -> None:
            def scattered(old: Array) -> Array:
                _check_indices(indices, len(old))
                new = old.copy()
                _apply(change, new, indices, updates)
                return new

            variable.update(scattered)

        return kernel


def _scatter_nd(name: str, change: Any) -> None:
    @op(f"ResourceScatterNd{name}", no_effect="use_locking bad_indices_policy")
    def make(build: Build) -> Kernel:
        del build

        def kernel(variable: Variable, indices: Array, updates: Array) -> None:
            def scattered(old: Array) -> Array:
                for axis in range(indices.shape[-1]):
                    _check_indices(indices[..., axis], old.shape[axis])
                new = old.copy()
                _apply(change, new, tuple(np.moveaxis(indices, -1, 0)), updates)
                return new

            variable.update(scattered)

        return kernel


for _name, _change in _SCATTERED.items():
    _scatter(_name, _change)
    if _name not in ("Mul", "Div"):
        _scatter_nd(_name, _change)
