"""What Classify and Regress share: serialized tf.Examples in, a table of results out.

The order of the checks and their texts are the peer's (behaviour reference 2.5 and 2.6).
Where its texts go on with a SignatureDef in protobuf's own form, which no two versions of
protobuf print alike, these go on with the signature as it is written everywhere here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from servable.contracts import ModelProvider, ModelSpec, Servable, ServableHandle, ServableId
from servable.errors import InvalidArgument, ServableError
from servable.handlers import hints
from servable.handlers.dtypes import check_fed
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.handlers.resolve import acquire, present
from servable.tensors import Array, Signature

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

INPUT = "inputs"
"""The alias of the one input, a vector of serialized tf.Examples."""

Examples = Callable[[], Sequence[bytes]]
"""Serialized tf.Examples, read from the request when they are wanted: the peer complains of a
signature first. Raises what is wrong with them as a ServableError."""


@dataclass(frozen=True, slots=True)
class ExamplesCall:
    """A request to classify, or one to regress.

    Attributes:
        spec: which model, or None if the request does not say.
        examples: the model's input, element by element.
    """

    spec: ModelSpec | None
    examples: Examples


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """What a servable computed.

    Attributes:
        id: the version that answered.
        signature_name: the signature that was run, never "".
        result: one entry for each example.
    """

    id: ServableId
    signature_name: str
    result: R_co


@dataclass(frozen=True, slots=True)
class Method(Generic[R_co]):
    """A way to use a signature that takes tf.Examples.

    Attributes:
        name: the method name that exporters store in such a signature.
        noun: what error texts call it.
        outputs: says for hints which outputs are wanted.
        fetches: returns the outputs to compute. Raises InvalidArgument for a signature
            of another structure.
        result: makes a result of the signature, the outputs that were computed, and the
            number of examples. Raises InvalidArgument if shapes or dtypes do not fit.
    """

    name: str
    noun: str
    outputs: str
    fetches: Callable[[Signature], Sequence[str]]
    result: Callable[[Signature, Mapping[str, Array], int], R_co]


def infer(
    method: Method[R],
    models: ModelProvider,
    call: ExamplesCall,
    *,
    check_method_name: bool = False,
) -> Answer[R]:
    """Answer a request. May block for as long as the model computes.

    Args:
        method: what is asked for.
        models: what is served.
        call: the request.
        check_method_name: refuse a signature that was stored for another method; the
            peer looks at that only where it was started with a flag.

    Raises:
        ServableError: with the peer's code and text for a request that is at fault,
            or what the servable raised.
    """
    spec = present(call.spec)
    with acquire(models, spec) as handle:
        return infer_on(
            method,
            handle,
            spec.signature_name,
            call.examples,
            check_method_name=check_method_name,
        )


def infer_on(
    method: Method[R],
    handle: ServableHandle,
    signature_name: str,
    examples: Examples,
    *,
    check_method_name: bool = False,
) -> Answer[R]:
    """Answer a request with a version that was found already; see `infer`."""
    name = signature_name or DEFAULT_SIGNATURE
    servable = handle.servable
    with explaining(method, servable, name):
        if name not in servable.signatures:
            raise InvalidArgument(f"No signature was found with the name: {name}")
        signature = servable.signatures[name]
        fetches = checked_fetches(method, signature, check_method_name=check_method_name)
        batch = vector(examples())
        check_fed([(signature.inputs[INPUT], batch)])
        computed = servable.run(name, {INPUT: batch}, fetches)
        result = method.result(signature, computed, len(batch))
    return Answer(handle.id, name, result)


def checked_fetches(
    method: Method[object], signature: Signature, *, check_method_name: bool
) -> Sequence[str]:
    """Return the outputs that `method` needs of a signature.

    Raises:
        InvalidArgument: the signature's structure, or method name, is another.
    """
    if check_method_name and signature.method_name != method.name:
        raise InvalidArgument(
            f"Expected {method.noun} signature method_name to be {method.name}. "
            f"Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise InvalidArgument("Expected one input Tensor.")
    return method.fetches(signature)


def check_input(noun: str, signature: Signature) -> None:
    """Refuse a signature whose one input is not called `inputs`."""
    if INPUT not in signature.inputs:
        raise InvalidArgument(f"No {noun} inputs found in SignatureDef: {signature}")


def vector(examples: Sequence[bytes]) -> Array:
    """Return serialized tf.Examples as the tensor that a signature takes: object [examples].

    Raises:
        InvalidArgument: there is none.
    """
    if not examples:
        raise InvalidArgument("Input is empty.", hint="Send at least one tf.Example.")
    batch = np.empty(len(examples), object)
    batch[:] = examples
    return batch


@contextmanager
def explaining(method: Method[object], servable: Servable, name: str) -> Iterator[None]:
    """Give errors that blame the request a hint: what is needed, and which signatures have it.

    Args:
        method: what is asked for.
        servable: the model.
        name: the signature that is asked for, whether the model has it or not.
    """
    try:
        yield
    except ServableError as error:
        hints.explain(error, lambda: _explanation(method, servable.signatures, name))
        raise


def _explanation(method: Method[object], signatures: Mapping[str, Signature], name: str) -> str:
    suitable = suitable_signatures(method, signatures)
    text = (
        f"A {method.noun} feeds serialized tf.Examples to a signature with one input, "
        f"{INPUT} (string), and {method.outputs}. "
        f"Such signatures of this model: {', '.join(suitable) or 'none'}."
    )
    if name in signatures:
        return f"{text} {hints.expected(name, signatures[name])}"
    return text + hints.closest(name, suitable or signatures)


def suitable_signatures(
    method: Method[object], signatures: Mapping[str, Signature]
) -> Sequence[str]:
    """Return the names of those with the structure and the input dtype that `method` needs.

    And with outputs of the right shapes, where there is a sample to tell.
    """
    return [name for name, signature in signatures.items() if _suits(method, signature)]


def _suits(method: Method[object], signature: Signature) -> bool:
    try:
        fetches = checked_fetches(method, signature, check_method_name=False)
        check_fed([(signature.inputs[INPUT], vector([b""]))])
        sample = signature.sample() if signature.sample else None
        if sample is not None:
            computed = {alias: sample.outputs[alias] for alias in fetches}
            method.result(signature, computed, len(sample.inputs[INPUT]))
    except InvalidArgument:
        return False
    return True


def bracketed(array: Array) -> str:
    """Return a shape as the peer's texts show it, as in `[2,3]`."""
    return f"[{','.join(map(str, array.shape))}]"
