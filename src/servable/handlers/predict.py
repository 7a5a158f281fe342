"""Predict: named tensors in, named tensors out.

The order of the checks and their texts are the peer's (behaviour reference 2.2 and
2.4); a request with several faults must be told the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from servable.batching.steps import Run, Steps, complete
from servable.contracts import ModelProvider, ModelSpec, ServableHandle, ServableId
from servable.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    ServableError,
    UnknownError,
)
from servable.handlers import hints
from servable.handlers.dtypes import check_fed
from servable.handlers.resolve import acquire, present
from servable.tensors import Array, Signature

DEFAULT_SIGNATURE = "serving_default"

METHOD_NAMES = tuple(
    f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress")
)
"""What exporters store in signatures; the peer insists on one of them only behind a flag."""


class PredictCall(NamedTuple):
    """A predict request.

    Attributes:
        spec: which model, or None if the request does not say.
        inputs: alias -> array. Values are read one at a time, in the signature's
            order and after the aliases were checked, so a mapping may decode a
            value when it is read, and raise InvalidArgument then.
        output_filter: the output aliases that are wanted; empty for all.
    """

    spec: ModelSpec | None
    inputs: Mapping[str, Array]
    output_filter: Sequence[str] = ()


class PredictAnswer(NamedTuple):
    """What a servable computed.

    Attributes:
        id: the version that answered.
        signature_name: the signature that was run, never "".
        signature: that signature.
        outputs: alias -> array, in the order asked for.
    """

    id: ServableId
    signature_name: str
    signature: Signature
    outputs: Mapping[str, Array]


def predict(
    models: ModelProvider, call: PredictCall, *, check_method_name: bool = False
) -> PredictAnswer:
    """Answer a predict request; see `predicting`. May block for as long as the model computes."""
    return complete(predicting(models, call, check_method_name=check_method_name))


def predicting(
    models: ModelProvider, call: PredictCall, *, check_method_name: bool = False
) -> Steps[PredictAnswer]:
    """Answer a predict request, in steps.

    Args:
        models: what is served.
        call: the request.
        check_method_name: refuse a signature whose method name is none of METHOD_NAMES.

    Raises:
        ServableError: with the peer's code and text for a request that is at fault,
            or what the servable raised.
    """
    spec = present(call.spec)
    with acquire(models, spec) as handle:
        return (
            yield from predicting_on(
                handle,
                spec.signature_name,
                call.inputs,
                call.output_filter,
                check_method_name=check_method_name,
            )
        )


def predicting_on(
    handle: ServableHandle,
    signature_name: str,
    inputs: Mapping[str, Array],
    output_filter: Sequence[str] = (),
    *,
    check_method_name: bool = False,
) -> Steps[PredictAnswer]:
    """Answer a predict request with a version that was found already; see `predicting`."""
    name = signature_name or DEFAULT_SIGNATURE
    signatures = handle.servable.signatures
    if name not in signatures:
        raise FailedPrecondition(
            f'Serving signature key "{name}" not found.',
            hint=hints.cut(hints.no_such_signature(name, signatures)),
        )
    signature = signatures[name]
    if check_method_name and signature.method_name not in METHOD_NAMES:
        raise Internal(
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(METHOD_NAMES)}}}. Was: {signature.method_name}",
            hint="Export the signature for one of these methods, or turn the check off.",
        )
    try:
        feeds = _feeds(signature, inputs)
        fetches = _fetches(signature, output_filter)
        check_fed([(spec, feeds[alias]) for alias, spec in signature.inputs.items()])
        computed = yield Run(handle.servable, name, feeds, fetches)
    except ServableError as error:
        hints.explain(error, lambda: hints.wrong_inputs(name, signature, inputs))
        raise
    if len(computed) != len(fetches):
        raise UnknownError("Predict internal error")
    outputs = {alias: computed[alias] for alias in fetches}
    return PredictAnswer(handle.id, name, signature, outputs)


def signature_to_decode_with(handle: ServableHandle, signature_name: str) -> Signature:
    """Return the signature that a body without dtypes of its own is decoded by.

    Such a transport looks the signature up before `predict_on` does, and the peer has
    other texts for that.

    Raises:
        InvalidArgument: there is no such signature, or it takes no inputs.
    """
    name = signature_name or DEFAULT_SIGNATURE
    signatures = handle.servable.signatures
    if name not in signatures:
        raise InvalidArgument(
            f'Serving signature name: "{name}" not found in signature def',
            hint=hints.cut(hints.no_such_signature(name, signatures)),
        )
    if not signatures[name].inputs:
        raise InvalidArgument(
            f"Failed to get input map for signature: {signature_name or 'DEFAULT'}",
            hint="A signature without inputs can be called over gRPC only.",
        )
    return signatures[name]


def _feeds(signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return one array for each input of the signature, defaults filled in."""
    expected, defaults = signature.inputs, signature.defaults
    if len(inputs) > len(expected) or (len(inputs) < len(expected) and not defaults):
        raise InvalidArgument(
            f"input size does not match signature: {len(inputs)}!={len(expected)} "
            f"len({_set(inputs)}) != len({_set(expected)}). "
            f"Sent extra: {_set(inputs.keys() - expected.keys())}. "
            f"Missing but required: {_set(expected.keys() - inputs.keys())}."
        )
    feeds = {}
    used = 0
    for alias, spec in expected.items():
        if alias in inputs:
            feeds[alias] = inputs[alias]
            used += 1
        elif alias in defaults:
            feeds[alias] = defaults[alias]
        else:
            raise InvalidArgument(
                f"Signature input alias: {alias}(feed name: {spec.name}) not found in request "
                f"and no default value provided. Inputs expected to be in the request "
                f"{_set(expected)}, or default input alias set: {_set(defaults)}"
            )
    if used != len(inputs):
        known = inputs.keys() & expected.keys()
        raise InvalidArgument(
            f"Inputs contains invalid name. Used request inputs: {_set(known)}, "
            f"request input: {_set(inputs)}"
        )
    return feeds


def _fetches(signature: Signature, output_filter: Sequence[str]) -> Sequence[str]:
    """Return the outputs to compute: those asked for, or all."""
    seen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise InvalidArgument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_set(signature.outputs)}.",
                hint=hints.cut(
                    f"Name an output of the signature: {', '.join(signature.outputs)}."
                    + hints.closest(alias, signature.outputs)
                ),
            )
        if alias in seen:
            raise InvalidArgument(
                f"duplicate output tensor alias: {alias}", hint="Name each output once."
            )
        seen.add(alias)
    return output_filter or tuple(signature.outputs)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
