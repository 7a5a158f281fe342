"""A toy servable that answers with its inputs; it keeps the life cycle honest in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.contracts import Servable
from servable.errors import FailedPrecondition
from servable.tensors import FLOAT, Array, Signature, TensorSpec

_X = TensorSpec("x:0", FLOAT, None)
ECHO_SIGNATURES: Mapping[str, Signature] = {"serving_default": Signature({"x": _X}, {"x": _X})}
"""One input `x`, float of any rank, that comes back as `x`."""


class Echo:
    """A `contracts.Servable` whose outputs are the inputs of the same aliases."""

    def __init__(self, signatures: Mapping[str, Signature] = ECHO_SIGNATURES) -> None:
        self._signatures = signatures

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """As given."""
        return self._signatures

    def run(
        self,
        signature: str,  # noqa: ARG002  all signatures do the same
        inputs: Mapping[str, Array],
        fetches: Sequence[str],
    ) -> dict[str, Array]:
        """Return the inputs whose aliases are fetched, as they are."""
        return {alias: inputs[alias] for alias in fetches}


class EchoLoader:
    """A `contracts.Loader` of Echo servables."""

    def __init__(self, signatures: Mapping[str, Signature] = ECHO_SIGNATURES) -> None:
        self._signatures = signatures
        self._servable: Echo | None = None

    def estimate_resources(self) -> int:
        """An echo takes no memory to speak of."""
        return 0

    def load(self) -> None:
        """Make the echo."""
        self._servable = Echo(self._signatures)

    def unload(self) -> None:
        """Drop it."""
        self._servable = None

    def servable(self) -> Servable:
        """What `load` made.

        Raises:
            FailedPrecondition: nothing is loaded.
        """
        if self._servable is None:
            raise FailedPrecondition("The echo is not loaded.")
        return self._servable
