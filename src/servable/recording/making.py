"""Making warmup records: chosen from logs, or made up for a signature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from servable.contracts import ServableId
from servable.errors import FailedPrecondition
from servable.handlers.classify import CLASSIFY
from servable.handlers.examples import INPUT, suitable_signatures, vector
from servable.handlers.regress import REGRESS
from servable.recording import tfrecord
from servable.recording.messages import inference_request, predict_request
from servable.recording.prediction_log import Kind, encode
from servable.recording.summary import requests_in
from servable.recording.warmup import WARMUP_FILE
from servable.servables.compare import random_inputs, takes_rows
from servable.tensors import Array, Signature
from servable.wire import json_inference
from servable.wire.json_example import examples

_SEED = 2026
_OTHER_SIZE = 8  # stands for unknown sizes that are not the number of rows


def choose(files: Iterable[Path], model: str, most: int, *, every: bool) -> list[bytes]:
    """Return the records to warm a model with.

    Args:
        files: logs, in the order in which they are read.
        model: only requests to this one; "" for all.
        most: how many records at most.
        every: take them as they come; otherwise one of each form, which is kind,
            signature, dtypes and shapes.

    Raises:
        ServableError: a file is damaged, or can not be read.
    """
    chosen: list[bytes] = []
    seen: set[object] = set()
    for file in files:
        for summary, log in requests_in(file, model):
            if len(chosen) >= most:
                return chosen
            if every or summary.form not in seen:
                seen.add(summary.form)
                chosen.append(log.SerializeToString())
    return chosen


def make_up(name: str, signature: Signature, rows: int) -> Mapping[str, Array]:
    """Return inputs for a signature: small numbers, or tf.Examples with the right features.

    Raises:
        FailedPrecondition: an input is of a dtype that nothing can be made of.
    """
    found = examples(name, signature) if signature.features else None
    if found is not None and found.complete and len(signature.inputs) == 1:
        (alias,) = signature.inputs
        return {alias: vector(list(json_inference.read(found.body.encode()).examples[:1]) * rows)}
    inputs = random_inputs(signature, rows, _OTHER_SIZE, np.random.default_rng(_SEED))
    if inputs is None:
        raise FailedPrecondition(
            f"No values can be made up for signature {name}: {signature}",
            hint="Give them with --input.",
        )
    return inputs


def row_counts(signature: Signature, wanted: Sequence[int]) -> Sequence[int]:
    """Return the numbers of rows to make records for; one where the shapes are fixed."""
    return wanted if takes_rows(signature) else (1,)


def record(id: ServableId, name: str, signature: Signature, inputs: Mapping[str, Array]) -> bytes:
    """Return a record of the request that the signature was stored for.

    Raises:
        InvalidArgument: TensorFlow has no dtype for an input.
    """
    for method, kind in ((CLASSIFY, Kind.CLASSIFY), (REGRESS, Kind.REGRESS)):
        stored_for = signature.method_name == method.name
        if stored_for and suitable_signatures(method, {name: signature}):
            return encode(kind, inference_request(id, name, inputs[INPUT].tolist()))
    request = predict_request(id, name, signature, inputs)
    return encode(Kind.PREDICT, request.SerializeToString())


def store(version: Path, records: Iterator[bytes], *, replace: bool) -> Path:
    """Write the warmup file of a version folder and return its path.

    Raises:
        FailedPrecondition: there is one and it may not be replaced, or it can not be written.
    """
    path = version / WARMUP_FILE
    if path.exists() and not replace:
        raise FailedPrecondition(f"{path} exists", hint="--force replaces it.")
    try:
        path.parent.mkdir(exist_ok=True)
        tfrecord.write(path, records)
    except OSError as error:
        raise FailedPrecondition(f"{path} can not be written: {error.strerror or error}") from error
    return path
