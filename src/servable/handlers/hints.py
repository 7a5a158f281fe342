"""The second half of an error: what was expected, and what to do next.

The message of an error is the peer's, for programs; the hint is for the person who
reads it. Everything here is made only after something went wrong, and bounded,
because names in it come from strangers and models may have thousands of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from servable.contracts import VersionStatus
from servable.errors import Code, ServableError
from servable.tensors import Signature, TensorSpec

MAX_CHARACTERS = 1500
"""A hint is cut here: it must fit into a response's headers."""

_MAX_WORD = 200
_MAX_CHOICES = 1000

_CALLERS_FAULT = frozenset({Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION})


def blames_request(error: ServableError) -> bool:
    """Whether another request would have been answered."""
    return error.code in _CALLERS_FAULT


def explain(error: ServableError, hint: Callable[[], str]) -> None:
    """Give an error that blames the request a hint, unless it has one."""
    if blames_request(error) and not error.hint:
        error.hint = cut(hint())


def cut(text: str) -> str:
    """Return `text`, shortened to MAX_CHARACTERS."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 4] + " ..."


def closest(wrong: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "x"?` for the known word most like `wrong`, or ""."""
    import difflib  # only needed once something went wrong

    if len(wrong) > _MAX_WORD:
        return ""
    choices = [word for word in list(known)[:_MAX_CHOICES] if len(word) <= _MAX_WORD]
    # Names often differ in case alone, and the matcher sees case as any other difference.
    by_lower = {word.lower(): word for word in choices}
    matches = difflib.get_close_matches(wrong.lower(), by_lower, n=1)
    return f' Did you mean "{by_lower[matches[0]]}"?' if matches else ""


def no_such_model(name: str, known: Sequence[str]) -> str:
    """Say which models there are."""
    if not known:
        return "This server has no model yet."
    return f'No model is called "{name}".{closest(name, known)} Models here: {", ".join(known)}.'


def versions(name: str, statuses: Sequence[VersionStatus]) -> str:
    """Say which versions of a model are ready, or what became of them."""
    ready = [str(status.id.version) for status in statuses if status.state == "AVAILABLE"]
    if ready:
        return f'Versions of "{name}" that are ready: {", ".join(ready)}.'
    fates = [
        f"version {status.id.version} is {status.state}"
        + (f" ({status.error.status_text})" if status.error else "")
        for status in statuses
    ]
    return f'No version of "{name}" is ready: {"; ".join(fates)}.'


def no_such_signature(name: str, signatures: Mapping[str, Signature]) -> str:
    """Say which signatures a model has."""
    listing = "; ".join(f"{key}{signature}" for key, signature in signatures.items())
    return f"Signatures of this model: {listing or 'none'}.{closest(name, signatures)}"


def expected(name: str, signature: Signature) -> str:
    """Say what a signature takes and returns."""
    inputs = "; ".join(f"{alias}: {_described(spec)}" for alias, spec in signature.inputs.items())
    optional = ", ".join(signature.defaults)
    features = "; ".join(f"{key}: {spec}" for key, spec in signature.features.items())
    return (
        f'Signature "{name}" takes {inputs or "no inputs"}'
        + (f" (may be left out: {optional})" if optional else "")
        + f" and returns {', '.join(signature.outputs) or 'nothing'}."
        + (f" It reads serialized tf.Examples with the features {features}." if features else "")
    )


def wrong_inputs(name: str, signature: Signature, given: Iterable[str]) -> str:
    """Say what a signature takes to somebody who named inputs that it does not have."""
    strangers = sorted(alias for alias in given if alias not in signature.inputs)
    guess = closest(strangers[0], signature.inputs) if strangers else ""
    return expected(name, signature) + guess


def _described(spec: TensorSpec) -> str:
    if spec.dtype is None:
        return str(spec)
    if spec.shape is None:
        return f"{spec.dtype.name} of any shape"
    if not spec.shape:
        return f"one {spec.dtype.name}"
    return str(spec)
