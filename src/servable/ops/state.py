"""Variables: resource handles, TF1 references, assignment and restoring."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument
from servable.graph.passes.refs import variable_name
from servable.ops.math import shape_text
from servable.ops.registry import Build, Kernel, op
from servable.ops.resources import Variable
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

    def kernel(prefix: Array, names: Array, slices: Array) -> list[Any]:
        del prefix
        if read is None:
            raise FailedPrecondition("checkpoints are read only while a model loads")
        if names.shape != slices.shape or names.ndim != 1:
            raise InvalidArgument("RestoreV2 needs as many slices as names")
        return [read(name, piece) for name, piece in zip(names, slices, strict=True)]

    return kernel
