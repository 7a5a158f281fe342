"""What every client offers, whichever protocol carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from numpy.typing import ArrayLike

from servable.errors import Code
from servable.tensors import Array, Signature

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer.

    Attributes:
        outputs: output alias -> array.
        version: the version that answered; None where the protocol does not say
            (REST, unless the request named one).
    """

    outputs: Mapping[str, Array]
    version: int | None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the server says about one version of a model."""

    model: str
    version: int
    signatures: Mapping[str, Signature]


@dataclass(frozen=True, slots=True)
class VersionState:
    """Where one version is in its life.

    Attributes:
        version: its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: OK, or why it ended.
        message: the error's text; "" when healthy.
    """

    version: int
    state: str
    code: Code
    message: str


class Client(Protocol):
    """A connection to one server.

    Every method raises a `ServableError`: the server's own code, text and hint
    when it refused, `Unavailable` when it could not be reached, and
    `DeadlineExceeded` when it took longer than the client's timeout.
    """

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        signature: str = "",
        outputs: Sequence[str] = (),
    ) -> Prediction:
        """Run one signature of a model.

        Args:
            model: the model's name on the server.
            inputs: input alias -> array, or what `numpy.asarray` makes one of;
                the dtype is sent as it is. Strings are `bytes` or `str`.
            version: None for the newest that is ready.
            signature: "" for `serving_default`.
            outputs: the aliases to return; () for all.
        """

    def metadata(self, model: str, *, version: int | None = None) -> Metadata:
        """Ask for the signatures of a model."""

    def status(self, model: str, *, version: int | None = None) -> tuple[VersionState, ...]:
        """Ask for the state of every version, or of one; the highest first."""

    def close(self) -> None:
        """Close the connection. The client may not be used afterwards."""

    def __enter__(self) -> Client: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
