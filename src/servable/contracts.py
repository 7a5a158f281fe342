"""The contracts between the parts. Read this first; it takes five minutes.

Models rise: a *source* watches a place where versions appear and tells its
*target* the complete list of versions it would like to see served, the *aspired
versions*. On the way a source adapter turns each version (a path, say) into a
*loader*, which knows how to bring that version into memory. The target at the
end is the manager: it decides when to load and unload, and publishes what is
ready.

Requests fall: a handler asks the manager for a *handle* on a version, runs the
*servable* inside, and gives the handle back. A version is unloaded only after
its last handle was given back.

The life cycle never loads numpy or protobuf: tensor types are named here for the
type checker only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from servable.errors import ServableError

if TYPE_CHECKING:
    from types import TracebackType

    from servable.tensors import Array, Signature

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True, order=True)
class ServableId:
    """A version of a servable: its name and its number (any int64, 0 included)."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a request says about the model it wants.

    Attributes:
        name: the model's name; "" where the request left it out.
        version: an exact version, or None for the highest that is ready. At most one
            of `version` and `label` is set.
        label: a version label; "" is a label too, None is none.
        signature_name: "" asks for `serving_default`.
    """

    name: str
    version: int | None = None
    label: str | None = None
    signature_name: str = ""


@dataclass(frozen=True, slots=True)
class ServableData(Generic[T_co]):
    """A version on its way from source to manager: its payload, or why there is none.

    A bad version travels the same road as a good one, so that it is reported in
    the same place. Exactly one of `payload` and `error` is set.

    Attributes:
        again: whether a version that is wanted already and could not be loaded is tried
            again with this payload; one that was loaded is left alone all the same.
    """

    id: ServableId
    payload: T_co | None = None
    error: ServableError | None = None
    again: bool = False


class Target(Protocol[T_contra]):
    """Something that wants to hear which versions should be served."""

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[T_contra]]) -> None:
        """Replace what was said before about `name` by this complete list.

        A version that is missing from the list is a request to unload it. Returns
        at once: loading happens elsewhere. Calls may come from any thread.
        """


class Source(Protocol[T_co]):
    """Something that knows which versions exist."""

    def connect(self, target: Target[T_co]) -> None:
        """Name the target. Called once, before `start`."""

    def start(self) -> None:
        """Begin to call the target, from a thread of the source's own."""

    def stop(self) -> None:
        """Stop calling the target; returns after the last call has ended."""


@runtime_checkable
class Servable(Protocol):
    """A loaded model that answers. All methods may be called from many threads at once."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature; `serving_default` is the usual one."""

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute the outputs named in `fetches`.

        Args:
            signature: a key of `signatures`; the caller has checked that.
            inputs: one array for each input alias, of the dtype that the signature
                names. The arrays are read, never written, and not kept.
            fetches: output aliases, each a key of the signature's outputs.

        Returns:
            One array for each fetch. Nobody writes to them any more: they are sent as they are.

        Raises:
            ServableError: INVALID_ARGUMENT when a kernel refuses the values or
                shapes; the servable stays usable.
        """


def lane_of(
    servable: Servable, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
) -> object | None:
    """Return what computes such requests together; None if they must be computed alone.

    A servable that merges requests, and each that wraps others, has a method `lane` with the
    same arguments but the first; see `batching`.
    """
    # Checking for a protocol would take longer than a small model computes.
    lane: Callable[..., object | None] | None = getattr(servable, "lane", None)
    return None if lane is None else lane(signature, inputs, fetches)


@runtime_checkable
class RowByRow(Protocol):
    """A servable that knows of which signatures requests can be computed together."""

    def mixing(self, signature: str) -> str:
        """Say where rows of different requests could influence one another, or "" for nowhere."""


class Loader(Protocol):
    """Brings one version into memory and takes it out again.

    The manager calls these from its load threads and never two at a time for one
    loader. `load` may be called again after it raised; `unload` is called once,
    after a successful load, when no handle is left.
    """

    def estimate_resources(self) -> int:
        """Bytes of memory the version will need: an upper bound, never growing later."""

    def load(self) -> None:
        """Make the servable. May take long; raise ServableError to refuse."""

    def unload(self) -> None:
        """Free what `load` made."""

    def servable(self) -> Servable:
        """What `load` made. Called only between `load` and `unload`."""


class ServableHandle(Protocol):
    """What a request holds while it runs; it keeps the version from being unloaded.

    A context manager: leaving the block gives the handle back.
    """

    @property
    def id(self) -> ServableId:
        """The version that was found, also when the latest was asked for."""

    @property
    def servable(self) -> Servable:
        """The loaded model."""

    def __enter__(self) -> ServableHandle: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class VersionStatus(Protocol):
    """Where one version is in its life."""

    @property
    def id(self) -> ServableId:
        """The version."""

    @property
    def state(self) -> str:
        """START, LOADING, AVAILABLE, UNLOADING or END."""

    @property
    def error(self) -> ServableError | None:
        """Why it ended, if it ended badly."""


class ModelProvider(Protocol):
    """What handlers ask for models; the manager is one."""

    def acquire(self, name: str, version: int | None = None) -> ServableHandle:
        """Return a handle on a version; the highest one that is ready if none is named.

        Takes no lock. Raises NotFound with the peer's text if there is none.
        """

    def labels(self, name: str) -> Mapping[str, int]:
        """Label -> version, at this moment; {} for a model without labels. Takes no lock."""

    def status(self, name: str, version: int | None = None) -> Sequence[VersionStatus]:
        """Every version ever managed under this name, highest first; [] if none."""

    def names(self) -> Sequence[str]:
        """Every name ever managed, ascending: what `status` has something to say about."""


@runtime_checkable
class ModelRepository(Protocol):
    """Models that clients may load and unload by name.

    A provider has these methods only where the server permits it. Both may block, and
    calls may come from many threads at once.
    """

    def load_model(self, name: str) -> None:
        """Load a model of the repository, or look for its newer versions; return when it is ready.

        Raises:
            NotFound: the repository has no such model.
            ServableError: it could not be loaded.
        """

    def unload_model(self, name: str) -> None:
        """Stop serving a model; return when no new request reaches it.

        Raises:
            NotFound: it is not served.
        """
