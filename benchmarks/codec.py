"""The time to read requests and write answers, against other ways to do the same.

Over gRPC the other way is protobuf, as its Python package offers it: a message, its value
lists turned into arrays, and arrays into value lists. Over REST it is orjson and numpy:
`numpy.array(orjson.loads(body)["instances"])`, and `orjson.dumps` of nested lists.

Both ways run in one process and in turn, several rounds; the best round of each counts, so
that what else the machine does meets them alike. Times are processor time, since neither way
waits for anything. An answer that differs is an error.

Run it with `make bench ARGS=codec`. Prints a table and writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from servable import tensors
from servable.contracts import ServableId
from servable.pb.framework_pb2 import TensorProto
from servable.pb.serving_pb2 import PredictRequest, PredictResponse
from servable.tensors import Array, Signature, TensorSpec
from servable.wire import predict_proto
from servable.wire.json_predict import Layout, PredictBody, encode

HERE = Path(__file__).resolve().parent
PACKAGES = ("numpy", "protobuf", "orjson", "pysimdjson")
ID = ServableId("model", 1)
NAME = "serving_default"
Call = Callable[[], Any]


class Pair(NamedTuple):
    """One task, done by this package and the other way."""

    task: str
    data: str
    ours: Call
    other: Call


def arrays() -> dict[str, Array]:
    """What is sent: name -> array, of every kind that takes a way of its own."""
    generator = np.random.default_rng(1)
    image = generator.random((1, 224, 224, 3))
    return {
        "1 float": np.ones((1, 1), np.float32),
        "784 floats": generator.random((1, 784)).astype(np.float32),
        "image, float": image.astype(np.float32),
        "image, uint8": (image * 256).astype(np.uint8),
        "128 token ids": generator.integers(0, 30_000, (1, 128)),
        "150528 token ids": generator.integers(0, 30_000, (1, 150_528)),
        "150528 int8": generator.integers(-128, 128, (1, 150_528)).astype(np.int8),
        "150528 half": image.astype(np.float16),
        "1000 strings": np.array([b"string %d" % i for i in range(1000)], object),
    }


def proto(array: Array) -> TensorProto:
    """A message with value lists, made element by element."""
    dtype = tensors.from_numpy(array.dtype)
    message = TensorProto(dtype=dtype.enum)  # type: ignore[arg-type]  # the stub wants the enum's own type
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    values: Array = flat.view(np.uint16) if dtype.field == "half_val" else flat
    getattr(message, dtype.field).extend(values.tolist())
    return message


def read_by_protobuf(data: bytes, array: Array) -> tuple[tuple[str, str, list[str]], Array]:
    """What a request says about the model, and the array in its input x."""
    request = PredictRequest.FromString(data)
    spec = request.model_spec
    said = (spec.name, spec.signature_name, list(request.output_filter))
    return said, array_in(request.inputs["x"], array)


def array_in(message: TensorProto, array: Array) -> Array:
    """The array in a message, of the dtype that this one has."""
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_content:
        return np.frombuffer(message.tensor_content, array.dtype).reshape(shape)
    values = getattr(message, tensors.from_numpy(array.dtype).field)
    if array.dtype == object:
        return np.array(list(values), object).reshape(shape)
    if array.dtype == np.float16:
        return np.asarray(values, np.int32).astype(np.uint16).view(np.float16).reshape(shape)
    return np.asarray(values).astype(array.dtype, copy=False).reshape(shape)


def write_by_protobuf(array: Array) -> bytes:
    """An answer with one output y."""
    response = PredictResponse()
    response.model_spec.name = ID.name
    response.model_spec.version.value = ID.version
    response.model_spec.signature_name = NAME
    response.outputs["y"].CopyFrom(proto(array))
    return response.SerializeToString()


def grpc_pairs() -> Iterator[Pair]:
    """Reading and writing messages."""
    for name, array in arrays().items():
        request = PredictRequest()
        request.model_spec.name = ID.name
        request.inputs["x"].CopyFrom(proto(array))
        listed = request.SerializeToString()
        yield Pair("gRPC read, list", name, *readers(listed, array))
        if array.dtype != object:
            message = TensorProto(dtype=request.inputs["x"].dtype)
            message.tensor_shape.CopyFrom(request.inputs["x"].tensor_shape)
            message.tensor_content = array.tobytes()
            request.inputs["x"].CopyFrom(message)
            yield Pair("gRPC read, content", name, *readers(request.SerializeToString(), array))
        yield Pair("gRPC write, list", name, *writers(array))


def readers(data: bytes, array: Array) -> tuple[Call, Call]:
    """Both ways to read a request."""

    def ours() -> Array:
        return predict_proto.read_request(data).inputs["x"]

    def other() -> Array:
        return read_by_protobuf(data, array)[1]

    np.testing.assert_array_equal(ours(), array)
    np.testing.assert_array_equal(other(), array)
    return ours, other


def writers(array: Array) -> tuple[Call, Call]:
    """Both ways to write an answer."""
    signature = Signature({}, {"y": TensorSpec("y:0", tensors.from_numpy(array.dtype), None)})

    def ours() -> bytes:
        return predict_proto.write_response(ID, NAME, signature, {"y": array})

    def other() -> bytes:
        return write_by_protobuf(array)

    if PredictResponse.FromString(ours()) != PredictResponse.FromString(other()):
        raise ValueError("the answers differ")
    return ours, other


def rest_pairs() -> Iterator[Pair]:
    """Reading and writing JSON."""
    image = np.random.default_rng(1).random((1, 224, 224, 3))
    bodies: dict[str, Array] = {
        "1 float": image[0, 0, 0, :1].round(4),
        "784 floats, 4 digits": image.reshape(-1)[:784].reshape(1, -1).round(4),
        "image, 3 digits": image.round(3),
        "image, 8 digits": image.astype(np.float32),
        "image, 17 digits": image,
        "image, integers": (image * 256).astype(np.uint8),
        "150528 in a row, 17 digits": image.reshape(1, -1),
    }
    for name, values in bodies.items():
        body = orjson.dumps({"instances": values}, option=orjson.OPT_SERIALIZE_NUMPY)
        yield Pair("REST read", name, *json_readers(body))
        yield Pair("REST write", name, *json_writers(values.astype(np.float32)))


def json_readers(body: bytes) -> tuple[Call, Call]:
    """Both ways to read a body."""
    signature = Signature({"x": TensorSpec("x", tensors.FLOAT, None)}, {})

    def ours() -> Array:
        return PredictBody(body).decode(signature)[1]["x"]

    def other() -> Array:
        return np.array(orjson.loads(body)["instances"], np.float32)

    np.testing.assert_array_equal(ours(), other())
    return ours, other


def json_writers(array: Array) -> tuple[Call, Call]:
    """Both ways to write a body; that of lists has more digits than a float has."""

    def ours() -> bytes:
        return encode(Layout.ROWS, {"y": array})

    def other() -> bytes:
        return orjson.dumps({"predictions": array.tolist()})

    np.testing.assert_array_equal(
        np.array(orjson.loads(ours())["predictions"], np.float32), array, strict=True
    )
    return ours, other


def measure(calls: Mapping[str, Call], rounds: int, moment: float) -> dict[str, float]:
    """Seconds of a call each way: the mean of a round, and of these the best."""
    counts = {name: max(1, round(moment / taken(call, 1))) for name, call in calls.items()}
    best = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            best[name] = min(best[name], taken(call, counts[name]) / counts[name])
    return best


def taken(call: Call, count: int) -> float:
    """Seconds of processor time that so many calls take."""
    started = time.process_time()
    for _ in range(count):
        call()
    return max(time.process_time() - started, 1e-6)


def table(rows: list[dict[str, Any]]) -> Table:
    """The figures for a person."""
    view = Table(title="Reading and writing: times faster than protobuf, or orjson and numpy")
    for column in ("task", "data", "microseconds", "other way", "times"):
        view.add_column(column, justify="left" if column in ("task", "data") else "right")
    for row in rows:
        figures = (f"{row['seconds'][way] * 1e6:.1f}" for way in ("servable", "other"))
        view.add_row(row["task"], row["data"], *figures, f"{row['ratio']:.2f}")
    return view


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--moment", type=float, default=0.02, help="seconds each way runs a round")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "codec.json")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for pair in (*grpc_pairs(), *rest_pairs()):
        calls = {"servable": pair.ours, "other": pair.other}
        measure(calls, 1, args.moment)  # warms up
        seconds = measure(calls, args.rounds, args.moment)
        rows.append(
            {
                "task": pair.task,
                "data": pair.data,
                "seconds": {way: float(f"{s:.4g}") for way, s in seconds.items()},
                "ratio": round(seconds["other"] / seconds["servable"], 3),
            }
        )
    described = machine.describe(PACKAGES)
    console = Console(width=120)
    console.print(table(rows))
    console.print(machine.line(described))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"date": datetime.now(UTC).date().isoformat(), "machine": described, "rows": rows}
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
