"""The register of ops, and what a kernel may know when it is built.

An op is a function that takes a `Build`, reads the node's attributes once, and
returns the kernel: a function of arrays. The engine calls kernels from many threads
at once, so a kernel keeps no state of its own, and it never writes to its inputs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from servable.graph import schema
from servable.graph.ir import FunctionRef, GraphError, Node, UnsupportedOps
from servable.ops.limits import MOST_STEPS
from servable.ops.resources import Resources
from servable.tensors import Array, DType

Kernel: TypeAlias = Callable[..., Any]
"""Takes one array for each input; returns an array, or a sequence of them if the op
has several outputs, or anything at all if it has none. Raises ServableError,
ValueError, IndexError or the like when it refuses the values."""


class Island(enum.Enum):
    """Whether OpenVINO computes the same as TensorFlow for an op, and gains by it."""

    NEVER = "never"
    LIGHT = "light"
    HEAVY = "heavy"


class Body(Protocol):
    """A function of the graph's library, ready to run."""

    def __call__(self, args: Sequence[Array]) -> list[Array]:
        """Run it on its arguments, in order, and return its results."""


@dataclass(frozen=True)
class Environment:
    """What the nodes of one servable share.

    Attributes:
        resources: variables and tables.
        restore: reads a checkpoint tensor by key and slice; only while loading.
        function: compiles a function of the library.
        most_steps: bound on the steps of one loop.
        assets: the folder of the model's asset files, the only files that ops may read;
            None where they may read none.
    """

    resources: Resources
    restore: Callable[[bytes, bytes], Array] | None
    function: Callable[[FunctionRef], Body]
    most_steps: int = MOST_STEPS
    assets: Path | None = None


class Build:
    """One node as its op sees it at load."""

    def __init__(self, node: Node, environment: Environment) -> None:
        self.node = node
        self.environment = environment

    def _get(self, name: str, kind: type[Any]) -> Any:
        value = self.node.attrs.get(name)
        if not isinstance(value, kind):
            raise GraphError(
                f"node {self.node.name}: attribute {name} of {self.node.op} is {value!r}"
            )
        return value

    def type(self, name: str = "T") -> DType:
        """A dtype attribute."""
        value: DType = self._get(name, DType)
        return value

    def int(self, name: str) -> int:
        """An integer attribute."""
        value: int = self._get(name, int)
        return value

    def float(self, name: str) -> float:
        """A float attribute."""
        value: float = self._get(name, float)
        return value

    def bool(self, name: str) -> bool:
        """A boolean attribute."""
        value: bool = self._get(name, bool)
        return value

    def text(self, name: str) -> str:
        """A string attribute that is a word of TensorFlow's own, not data."""
        value: bytes = self._get(name, bytes)
        return value.decode("utf-8", "replace")

    def data(self, name: str) -> bytes:
        """A string attribute that is data."""
        value: bytes = self._get(name, bytes)
        return value

    def list(self, name: str) -> tuple[Any, ...]:
        """A list attribute."""
        value: tuple[Any, ...] = self._get(name, tuple)
        return value

    def array(self, name: str) -> Array:
        """A tensor attribute."""
        import numpy as np

        value: Array = self._get(name, np.ndarray)
        return value

    def choice(self, name: str, *allowed: str) -> str:
        """A string attribute that must be one of the given words.

        Raises:
            UnsupportedOps: it is another.
        """
        value = self.text(name)
        if value not in allowed:
            raise self.unsupported(f"{name}={value!r}; supported: {', '.join(allowed)}")
        return value

    def unsupported(self, what: str) -> UnsupportedOps:
        """An error that names the node and what of it is not supported."""
        return UnsupportedOps(f"node {self.node.name}: {self.node.op} with {what}")


Maker: TypeAlias = Callable[[Build], Kernel]


@dataclass(frozen=True, slots=True)
class Op:
    """One registered op.

    Attributes:
        attrs: attributes that the kernel honours.
        no_effect: attributes that can not change the answer here.
        island: whether an island may hold it.
        island_if: a further condition on the node, or None.
        island_among: a further condition on the node among the nodes of its function,
            such as that an input is a constant, or None.
        int32: whether an island may hold it with int32 inputs or outputs. OpenVINO
            computes some ops of integers in float32.
        int64: likewise for int64, which it computes in int32: only ops qualify for
            which these are indices, sizes or axes.
    """

    name: str
    make: Maker
    attrs: frozenset[str]
    no_effect: frozenset[str]
    island: Island
    island_if: Callable[[Node], bool] | None
    island_among: Callable[[Node, Mapping[str, Node]], bool] | None
    int32: bool
    int64: bool

    def build(self, node: Node, environment: Environment) -> Kernel:
        """Make the kernel of a node.

        Raises:
            UnsupportedOps: the node has an attribute, or a value of one, that is not known.
        """
        build = Build(node, environment)
        for name in node.attrs:
            if name not in self.attrs and name not in self.no_effect:
                raise build.unsupported(f"attribute {name}, which is not known")
        return self.make(build)


_OPS: dict[str, Op] = {}


def op(
    *names: str,
    attrs: str = "",
    no_effect: str = "",
    island: Island = Island.NEVER,
    island_if: Callable[[Node], bool] | None = None,
    island_among: Callable[[Node, Mapping[str, Node]], bool] | None = None,
    int32: bool = False,
    int64: bool = False,
) -> Callable[[Maker], Maker]:
    """Register a function as the maker of kernels for the named ops.

    Args:
        attrs: attributes that it honours, separated by blanks. Attributes that only
            name dtypes need not be listed: kernels see the arrays' own.
        no_effect: attributes that can not change the answer here.
        island, island_if, island_among, int32, int64: see `Op`. `int64` implies `int32`.

    Raises:
        ValueError: an op is registered twice, is not TensorFlow's, or lacks an
            attribute that is listed.
    """

    def register(make: Maker) -> Maker:
        for name in names:
            known = schema.known(name)
            if known is None:
                raise ValueError(f"{name} is not an op of TensorFlow's")
            if name in _OPS:
                raise ValueError(
                    f"{name} is registered by both {_OPS[name].make.__module__} and"
                    f" {make.__module__}"
                )
            listed = {*attrs.split(), *no_effect.split()}
            if strange := listed - known.attrs.keys():
                raise ValueError(f"{name} has no attribute {', '.join(sorted(strange))}")
            dtypes = {a for a, s in known.attrs.items() if s.kind in ("type", "list(type)")}
            counts = {a.number_attr for a in (*known.inputs, *known.outputs) if a.number_attr}
            _OPS[name] = Op(
                name,
                make,
                frozenset(attrs.split()) | (dtypes | counts) - set(no_effect.split()),
                frozenset(no_effect.split()),
                island,
                island_if,
                island_among,
                int32 or int64,
                int64,
            )
        return make

    return register


def registered() -> Mapping[str, Op]:
    """Every op that the host can run, by name. Importing the families fills it."""
    from servable.ops import families

    return families.loaded(_OPS)
