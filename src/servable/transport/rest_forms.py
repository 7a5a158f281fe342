"""The forms that tensors take in a predict request and its answer, and who chooses them.

`Content-Type` says what a body is and `Accept` what the answer shall be. The peer looks at
neither and reads JSON; so does this for every type that is not listed here.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from urllib.parse import quote

from servable.errors import InvalidArgument
from servable.handlers.predict import PredictAnswer
from servable.tensors import Array
from servable.transport.rest_pages import Headers, Reply
from servable.transport.rest_request import Request
from servable.wire import dense, json_predict, npy, predict_proto

SHAPE_HEADER = b"x-tensor-shape"
DTYPE_HEADER = b"x-tensor-dtype"
NAME_HEADER = b"x-tensor-name"
SIGNATURE_HEADER = b"x-signature-name"
OUTPUTS_HEADER = b"x-output-name"


class Form(enum.Enum):
    """How tensors are written; the value is the media type of answers."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"
    NPY = "application/x-npy"
    NPZ = "application/x-npz"
    RAW = "application/octet-stream"
    IMAGE = "image/*"


_TYPES: Mapping[str, Form] = {
    **{form.value: form for form in Form if form is not Form.IMAGE},
    "application/protobuf": Form.PROTOBUF,
    "application/vnd.google.protobuf": Form.PROTOBUF,
    "application/x-numpy": Form.NPY,
}

_JSON = Form.JSON.value.encode()
_MOST_RANGES = 50
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def sent_form(request: Request) -> Form:
    """Return what the body is."""
    if request.headers.get(b"content-type", _JSON) == _JSON:
        return Form.JSON
    kind = _media_type(request.header(b"content-type"))
    if kind.startswith("image/"):
        return Form.IMAGE
    form = _TYPES.get(kind, Form.JSON)
    # Without a shape these bytes mean nothing, and some clients of the peer's send JSON so.
    return Form.JSON if form is Form.RAW and SHAPE_HEADER not in request.headers else form


def wanted_form(request: Request, default: Form = Form.JSON) -> Form:
    """Return what the answer shall be: the form that `Accept` likes best, if it names one."""
    if b"accept" not in request.headers:
        return default
    best, most = default, 0.0
    for item in request.header(b"accept").split(",")[:_MOST_RANGES]:
        kind, *parameters = item.split(";")
        form = _TYPES.get(_media_type(kind))
        quality = _quality(parameters)
        if form is not None and quality > most:
            best, most = form, quality
    return best


def signature_name(request: Request) -> str:
    """Return the signature that URL or headers name; "" if they name none."""
    return request.route.signature_name or request.header(SIGNATURE_HEADER).strip()


def output_names(request: Request) -> tuple[str, ...]:
    """Return the outputs that URL or headers ask for; () for all."""
    if request.route.outputs or OUTPUTS_HEADER not in request.headers:
        return request.route.outputs
    listed = (name.strip() for name in request.header(OUTPUTS_HEADER).split(","))
    return tuple(filter(None, listed))


def reply(form: Form, layout: json_predict.Layout, computed: PredictAnswer) -> Reply:
    """Return an answer in `form`; the layout is for JSON.

    Raises:
        InvalidArgument: the outputs have no such form, or are several where one fits.
    """
    outputs = computed.outputs
    match form:
        case Form.PROTOBUF:
            body = predict_proto.write_response(
                computed.id, computed.signature_name, computed.signature, outputs
            )
            return Reply(200, body, _typed(form))
        case Form.NPY:
            return Reply(200, npy.write(_only(outputs)[1]), _typed(form))
        case Form.NPZ:
            return Reply(200, npy.write_archive(outputs), _typed(form))
        case Form.RAW:
            alias, array = _only(outputs)
            return Reply(200, dense.elements(array), _raw_headers(alias, array))
        case _:
            return Reply(200, json_predict.encode(layout, outputs))


def _only(outputs: Mapping[str, Array]) -> tuple[str, Array]:
    if len(outputs) != 1:
        raise InvalidArgument(
            f"This form holds one tensor, and there are {len(outputs)}.",
            hint=f"Choose one with ?output=NAME: {', '.join(outputs)[:500]}. Or accept "
            f"{Form.NPZ.value}, {Form.PROTOBUF.value} or {Form.JSON.value}.",
        )
    return next(iter(outputs.items()))


def _raw_headers(alias: str, array: Array) -> Headers:
    shape = ",".join(map(str, array.shape))
    return (
        *_typed(Form.RAW),
        (NAME_HEADER, quote(alias).encode()),
        (SHAPE_HEADER, shape.encode()),
        (DTYPE_HEADER, array.dtype.name.encode()),
    )


def _typed(form: Form) -> Headers:
    return ((b"content-type", form.value.encode()),)


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return float(value) if _QUALITY.fullmatch(value := value.strip()) else 0.0
    return 1.0
