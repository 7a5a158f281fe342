"""What every client offers, whichever protocol carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from numpy.typing import ArrayLike

from servable.client.examples import ExampleLike
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


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """The classes of every example, in the order the model gave them.

    Attributes:
        labels: object [examples, classes] of `str`; "" where the model has scores only.
        scores: float32 [examples, classes]; 0 where the model has labels only.
        version: the version that answered; None where the protocol does not say.
    """

    labels: Array
    scores: Array
    version: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """One number for every example.

    Attributes:
        values: float32 [examples].
        version: the version that answered; None where the protocol does not say.
    """

    values: Array
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
    `DeadlineExceeded` when it took longer than the timeout. A `timeout` of a call, in
    seconds, replaces the client's own; it covers every attempt together.

    A request names a `version`, a `label`, or neither for the newest version that is
    ready; naming both is InvalidArgument.
    """

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Prediction:
        """Run one signature of a model.

        Args:
            model: the model's name on the server.
            inputs: input alias -> array, or what `numpy.asarray` makes one of;
                the dtype is sent as it is. Strings are `bytes` or `str`.
            version: None for the newest that is ready.
            label: a version label, such as "stable".
            signature: "" for `serving_default`.
            outputs: the aliases to return; () for all.
            timeout: seconds; None for the client's.
        """

    def classify(
        self,
        model: str,
        examples: Sequence[ExampleLike],
        *,
        context: ExampleLike | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        timeout: float | None = None,
    ) -> Classification:
        """Ask for the classes of some examples.

        Args:
            model: the model's name on the server.
            examples: each a mapping of feature name to value or values (numbers, `str`,
                `bytes` or arrays of them), a serialized tf.Example, or such a message.
                Whole numbers and booleans travel as int64, others as float32.
            context: features that every example has.
            version, label, signature, timeout: as for `predict`.
        """

    def regress(
        self,
        model: str,
        examples: Sequence[ExampleLike],
        *,
        context: ExampleLike | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        timeout: float | None = None,
    ) -> Regression:
        """Ask for one number for each example; the arguments are those of `classify`."""

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """Ask for the signatures of a model."""

    def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> tuple[VersionState, ...]:
        """Ask for the state of every version, or of one; the highest first.

        Takes no label: TensorFlow Serving ignores one here and lists every version.
        """

    def close(self) -> None:
        """Close the connection. The client may not be used afterwards."""

    def __enter__(self) -> Client: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
