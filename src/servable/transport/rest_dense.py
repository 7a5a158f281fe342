"""Predict requests whose bodies are no JSON: messages, arrays, plain bytes, images."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from servable.batching.steps import Steps
from servable.contracts import ModelProvider, ModelSpec
from servable.errors import InvalidArgument, ServableError
from servable.handlers import hints
from servable.handlers.images import image_inputs
from servable.handlers.predict import DEFAULT_SIGNATURE, predicting_on, signature_to_decode_with
from servable.handlers.resolve import acquire
from servable.tensors import Array, Signature
from servable.transport import rest_forms, rest_hints
from servable.transport.dense_hints import MESSAGE, explain_dense
from servable.transport.rest_forms import Form
from servable.transport.rest_pages import Reply
from servable.transport.rest_request import MAX_INFLATED_BYTES, Request
from servable.wire import dense, npy, predict_proto
from servable.wire.json_predict import Layout


def predict_dense(models: ModelProvider, request: Request, form: Form) -> Steps[Reply]:
    """Answer a predict request with a body of any form but JSON, in steps.

    Raises:
        ServableError: the body is at fault, or what the servable raised.
    """
    if form is Form.PROTOBUF:
        return (yield from _predict_message(models, request))
    wanted = rest_forms.wanted_form(request)
    spec = request.spec(rest_forms.signature_name(request))
    content = request.content()
    with acquire(models, spec) as handle:
        signature = signature_to_decode_with(handle, spec.signature_name)
        name = spec.signature_name or DEFAULT_SIGNATURE
        try:
            inputs = _inputs(request, form, content, name, signature)
            outputs = rest_forms.output_names(request)
            computed = yield from predicting_on(
                handle,
                spec.signature_name,
                inputs,
                outputs,
                check_method_name=request.check_method_name,
            )
            return rest_forms.reply(wanted, Layout.COLUMNS, computed)
        except ServableError as error:
            explain_dense(error, form, name, signature, rest_hints.url(request, "predict"))
            raise


def _predict_message(models: ModelProvider, request: Request) -> Steps[Reply]:
    try:
        message = predict_proto.read_request(request.content())
    except ServableError as error:
        hints.explain(error, lambda: MESSAGE)
        raise
    spec = _agreed(request, message.spec or ModelSpec(""))
    outputs = message.output_filter or rest_forms.output_names(request)
    with acquire(models, spec) as handle:
        computed = yield from predicting_on(
            handle,
            spec.signature_name,
            message.inputs,
            outputs,
            check_method_name=request.check_method_name,
        )
        form = rest_forms.wanted_form(request, Form.PROTOBUF)
        return rest_forms.reply(form, Layout.COLUMNS, computed)


def _agreed(request: Request, stated: ModelSpec) -> ModelSpec:
    """Return the model that the URL names, if what the message says is the same.

    Raises:
        InvalidArgument: the message names another model, version or label.
    """
    named = request.spec(stated.signature_name or rest_forms.signature_name(request))
    if stated.name not in ("", named.name):
        raise _disagreement("model", stated.name, named.name)
    if named.version is None and named.label is None:
        return ModelSpec(named.name, stated.version, stated.label, named.signature_name)
    for what, said, url in (
        ("version", stated.version, named.version),
        ("label", stated.label, named.label),
    ):
        if said is not None and said != url:
            raise _disagreement(what, str(said), str(url))
    return named


def _disagreement(what: str, said: str, url: str) -> InvalidArgument:
    return InvalidArgument(
        f"The message asks for {what} {said[:200]}, the URL for {url[:200]}.",
        hint="Leave model_spec out: the URL names the model.",
    )


def _inputs(
    request: Request, form: Form, content: bytes, name: str, signature: Signature
) -> Mapping[str, Array]:
    if form is Form.IMAGE:
        return image_inputs(name, signature, bytes(content))
    if form is Form.NPZ:
        expected = {alias: spec.dtype for alias, spec in signature.inputs.items()}
        return npy.read_archive(content, expected, max(MAX_INFLATED_BYTES, len(content)))
    alias = _alias(request, name, signature)
    if alias not in signature.inputs:
        raise InvalidArgument(
            f'Signature "{name}" has no input {alias[:200]}.',
            hint=hints.cut(hints.wrong_inputs(name, signature, [alias])),
        )
    dtype = signature.inputs[alias].dtype
    if form is Form.NPY:
        return {alias: npy.read(content, dtype)}
    if said := request.header(rest_forms.DTYPE_HEADER):
        dtype = dense.read_dtype(said)
    if dtype is None or dtype.numpy.hasobject:
        raise InvalidArgument(
            f"Input {alias} can not be read from plain bytes.",
            hint="Strings travel as JSON, as a protobuf message, or in an .npy file.",
        )
    shape = dense.read_shape(request.header(rest_forms.SHAPE_HEADER))
    return {alias: dense.view(content, dtype, shape)}


def _alias(request: Request, name: str, signature: Signature) -> str:
    """Return the input that one tensor is for."""
    if said := request.header(rest_forms.NAME_HEADER).strip():
        return unquote(said, errors="surrogateescape")
    needed = [alias for alias in signature.inputs if alias not in signature.defaults]
    aliases = needed or list(signature.inputs)
    if len(aliases) == 1:
        return aliases[0]
    raise InvalidArgument(
        f'One tensor was sent, and signature "{name}" takes {len(aliases)}.',
        hint=hints.cut(
            f"Send {Form.NPZ.value} or {Form.PROTOBUF.value}. {hints.expected(name, signature)}"
        ),
    )
