"""REST requests, once they are read: a route and a body in, a body out."""

from __future__ import annotations

from typing import TypeVar

from servable.batching.steps import Steps
from servable.contracts import ModelProvider
from servable.errors import ServableError
from servable.handlers.classify import CLASSIFY
from servable.handlers.examples import Method, infer_on
from servable.handlers.metadata import SIGNATURE_DEF, get_metadata
from servable.handlers.predict import predicting_on, signature_to_decode_with
from servable.handlers.regress import REGRESS
from servable.handlers.resolve import acquire
from servable.handlers.status import get_status, list_models
from servable.handlers.traffic import get_traffic
from servable.metrics.models import about_no_model
from servable.transport import rest_forms, rest_hints, v2_calls
from servable.transport.rest_actions import Action
from servable.transport.rest_dense import predict_dense
from servable.transport.rest_forms import Form
from servable.transport.rest_pages import Reply
from servable.transport.rest_request import Request
from servable.wire import json_inference, json_metadata, json_predict, json_status, json_traffic

R = TypeVar("R")


def answer(models: ModelProvider, request: Request) -> Reply | Steps[Reply]:
    """Return the answer; that to a predict request in steps.

    Classify and regress block while the model computes.

    Raises:
        ServableError: with the peer's text for a request that is at fault.
    """
    action = request.route.action
    match action:
        case Action.PREDICT:
            form = rest_forms.sent_form(request)
            if form is not Form.JSON:
                return predict_dense(models, request, form)
            return _predict(models, request)
        case Action.CLASSIFY:
            classes = _infer(CLASSIFY, models, request)
            return _json(json_inference.encode_classes(classes.labels, classes.scores))
        case Action.REGRESS:
            return _json(json_inference.encode_values(_infer(REGRESS, models, request)))
        case Action.STATUS:
            return _json(json_status.encode_status(get_status(models, request.spec())))
        case Action.METADATA:
            metadata = get_metadata(models, request.spec(), (SIGNATURE_DEF,))
            return _json(json_metadata.encode_metadata(metadata.id, metadata.signatures))
        case Action.TRAFFIC:
            return _json(json_traffic.encode_traffic(get_traffic(models, request.route.name)))
        case Action.MODELS:
            with about_no_model():
                return _json(json_status.encode_models(list_models(models)))
        case Action.OPENAPI:
            # Few ask for it, and starting should not wait for it.
            from servable.transport import openapi_calls

            with about_no_model():
                return _json(openapi_calls.document(models))
        case _:
            return v2_calls.answer(models, request)


def _json(body: bytes) -> Reply:
    return Reply(200, body)


def _predict(models: ModelProvider, request: Request) -> Steps[Reply]:
    text = request.text()
    try:
        body = json_predict.PredictBody(text)
    except ServableError as error:
        rest_hints.explain_text(error, models, None, text, request)
        raise
    spec = request.spec(body.signature_name or rest_forms.signature_name(request))
    with acquire(models, spec) as handle:
        try:
            signature = signature_to_decode_with(handle, spec.signature_name)
            layout, inputs = body.decode(signature)
            outputs = rest_forms.output_names(request)
            computed = yield from predicting_on(
                handle,
                spec.signature_name,
                inputs,
                outputs,
                check_method_name=request.check_method_name,
            )
            return rest_forms.reply(rest_forms.wanted_form(request), layout, computed)
        except ServableError as error:
            rest_hints.explain_predict(error, handle.servable, body, spec.signature_name, request)
            raise


def _infer(method: Method[R], models: ModelProvider, request: Request) -> R:
    """Return the result of a classify or regress request."""
    text = request.text()
    try:
        body = json_inference.read(text)
    except ServableError as error:
        rest_hints.explain_text(error, models, method, text, request)
        raise
    spec = request.spec(body.signature_name)
    with acquire(models, spec) as handle:
        try:
            return infer_on(
                method,
                handle,
                spec.signature_name,
                lambda: body.examples,
                check_method_name=request.check_method_name,
            ).result
        except ServableError as error:
            rest_hints.explain_examples(
                error, handle.servable, method, spec.signature_name, request
            )
            raise
