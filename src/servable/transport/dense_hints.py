"""Commands that send what a signature takes in a form other than JSON."""

from __future__ import annotations

import math
import shlex
from urllib.parse import quote

from servable.errors import ServableError
from servable.handlers import hints
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.servables.samples import shape_of
from servable.tensors import DType, Signature, TensorSpec
from servable.transport import rest_forms
from servable.transport.rest_forms import Form

_BUILT_IN = "biufc"  # kinds of numpy's own dtypes
MESSAGE = (
    "Send a serialized tensorflow.serving.PredictRequest: servable.client makes one, and so does "
    "tensorflow-serving-api."
)
"""What a predict request is that a `Content-Type` calls protobuf."""


def explain_dense(
    error: ServableError, form: Form, name: str, signature: Signature, address: str
) -> None:
    """Add what the signature expects, and a command that sends it in the same form.

    Args:
        error: gets the hint, if it blames the request.
        form: of the body that was sent; images have hints of their own.
        name: the signature.
        signature: that signature.
        address: the URL of the model's predict.
    """
    if not hints.blames_request(error):
        return
    told = error.hint or hints.expected(name, signature)
    shown = "" if form is Form.IMAGE else command(form, name, signature, address)
    error.hint = hints.cut(f"{told} {shown}".strip())


def without_json(name: str, signature: Signature, address: str) -> str:
    """Say how to send inputs that JSON has no form for."""
    shown = command(Form.NPY, name, signature, address)
    return f"JSON has no form for these inputs; use gRPC. {shown}".strip()


def command(form: Form, name: str, signature: Signature, address: str) -> str:
    """Return a command line with a body of this form, "" if there is none for the signature.

    One tensor becomes a `.npy` file, several a `.npz`; plain bytes stand for one tensor.
    """
    specs = signature.inputs
    needed = {a: s for a, s in specs.items() if a not in signature.defaults} or dict(specs)
    made = {alias: _ones(spec) for alias, spec in needed.items()}
    if not made or "" in made.values():
        return ""
    headers = {"Content-Type": form.value}
    if len(made) > 1 or form is Form.NPZ:
        headers["Content-Type"] = Form.NPZ.value
        file, arrays = "inputs.npz", ", ".join(f"{alias!r}: {o}" for alias, o in made.items())
        script = f'import numpy; numpy.savez("{file}", **{{{arrays}}})'
    else:
        [(alias, ones)] = made.items()
        spec = needed[alias]
        if form is Form.RAW:
            file, script = "input.raw", f'import numpy; {ones}.tofile("input.raw")'
            headers[_shown(rest_forms.SHAPE_HEADER)] = ",".join(map(str, shape_of(spec.shape)))
            headers[_shown(rest_forms.DTYPE_HEADER)] = spec.dtype.numpy.name if spec.dtype else ""
        else:
            file, script = "input.npy", f'import numpy; numpy.save("input.npy", {ones})'
    query = "" if name == DEFAULT_SIGNATURE else f"?signature_name={quote(name, safe='')}"
    flags = " ".join(f"-H {shlex.quote(f'{key}: {value}')}" for key, value in headers.items())
    sent = f"curl {flags} --data-binary @{file} {shlex.quote(address + query)}"
    return f"Try: python3 -c {shlex.quote(script)} && {sent}"


def _ones(spec: TensorSpec) -> str:
    """Return a numpy expression for an input, "" where numpy alone has none."""
    dtype: DType | None = spec.dtype
    if dtype is None or dtype.numpy.kind not in _BUILT_IN or math.prod(shape_of(spec.shape)) > 1e8:
        return ""
    return f'numpy.ones({shape_of(spec.shape)}, "{dtype.numpy.name}")'


def _shown(header: bytes) -> str:
    return header.decode().title()
