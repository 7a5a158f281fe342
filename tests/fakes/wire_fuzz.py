"""Hostile requests over both ports: whatever comes, the server answers, and blames the client.

The suite runs a few seconds of it. For longer, with another seed each time:

    .venv/bin/python tests/fakes/wire_fuzz.py --seconds 3600

It stops at the first request that was answered with a fault of the server, or not at
all, and prints it as base64, to be put into a test.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from served_models import FakeModels, FakeServable, echo, half_plus_two, spec

from servable import tensor_proto, tensors
from servable.errors import Code
from servable.pb import oip_pb2, serving_pb2
from servable.tensors import Signature
from servable.transport import v2_services
from servable.transport.grpc import GrpcServer
from servable.transport.grpc_services import SERVICES
from servable.transport.options import GrpcOptions, RestOptions
from servable.transport.readiness import Readiness
from servable.transport.rest import RestServer
from servable.wire import v2_tensors

SERVERS_FAULT = {Code.UNKNOWN, Code.INTERNAL, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
PATIENCE = 60.0
HUGE = (2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, -1, -(2**63), 10**9, 0)
DTYPES = (
    *(tensors.FLOAT, tensors.DOUBLE, tensors.HALF, tensors.INT8, tensors.INT64, tensors.UINT64),
    *(tensors.BOOL, tensors.STRING, tensors.COMPLEX64, tensors.BFLOAT16),
)


class FaultError(AssertionError):
    """The server failed at a request, or did not answer it."""


@dataclass(frozen=True)
class Shot:
    """What is sent: a gRPC message, a REST body, or bytes on a connection."""

    kind: str
    target: str
    data: bytes
    gzipped: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        data = base64.b64encode(self.data[:2000]).decode()
        how = f"{dict(self.headers)} gzipped={self.gzipped}"
        return f"{self.kind} {self.target} {how} {len(self.data)} bytes: {data}"


def make_models() -> FakeModels:
    mixed = {"a": spec("a:0", tensors.FLOAT), "b_bytes": spec("b:0", tensors.STRING)}
    named: dict[str, FakeServable] = {
        "half": half_plus_two(),
        "mixed": FakeServable({"serving_default": Signature(mixed, mixed)}, dict),
    }
    named |= {dtype.name.lower(): echo(x=dtype) for dtype in DTYPES}
    return FakeModels({name: {1: servable} for name, servable in named.items()})


class Range:
    """Both servers, and a way to shoot at them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._stack = ExitStack()
        models = make_models()
        rpc = GrpcServer(models, "127.0.0.1", 0, GrpcOptions(max_queued=10_000))
        rest = RestServer(models, "127.0.0.1", 0, RestOptions(head_seconds=5, body_seconds=5))
        self.rest_port = rest.start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{rpc.start()}")
        for close in (lambda: rest.stop(5), lambda: rpc.stop(5), self._channel.close):
            self._stack.callback(close)
        self._forget = models.handles.clear
        self._servables = [one for versions in models.models.values() for one in versions.values()]

    def close(self) -> None:
        self._stack.close()

    def fire(self, shot: Shot) -> None:
        """Send it; raise FaultError if the answer is the server's fault, or none comes."""
        try:
            {"grpc": self._grpc, "rest": self._rest, "raw": self._raw}[shot.kind](shot)
        except OSError as error:
            raise FaultError(f"{error!r} to {shot}") from error
        # The fakes remember all that they are fed; that is no leak of the server's.
        self._forget()
        for servable in self._servables:
            if isinstance(servable, FakeServable):
                servable.fed.clear()

    def alive(self) -> None:
        """Ask both for something ordinary."""
        self.fire(Shot("rest", "/v1/models/half:predict", b'{"instances": [1]}'))
        request = serving_pb2.GetModelStatusRequest(model_spec={"name": "half"})
        path = "/tensorflow.serving.ModelService/GetModelStatus"
        self._channel.unary_unary(path, None, None)(request.SerializeToString(), timeout=PATIENCE)

    def _grpc(self, shot: Shot) -> None:
        method = self._channel.unary_unary(shot.target, None, None)
        try:
            method(shot.data, timeout=PATIENCE)
        except grpc.RpcError as error:
            call: Any = error  # also the call, which the stubs do not know
            if Code(call.code().value[0]) in SERVERS_FAULT:
                raise FaultError(f"{call.code()} {call.details()} to {shot}") from error

    def _rest(self, shot: Shot) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=PATIENCE)
        try:
            headers = dict(shot.headers)
            if shot.gzipped:
                headers["Content-Encoding"] = "gzip"
            connection.request("POST", shot.target, shot.data, headers)
            self._judge(connection.getresponse().status, shot)
        finally:
            connection.close()

    def _raw(self, shot: Shot) -> None:
        with socket.create_connection(("127.0.0.1", self.rest_port), timeout=PATIENCE) as sent:
            answer = b""
            try:
                sent.sendall(shot.data)
                sent.shutdown(socket.SHUT_WR)
                while piece := sent.recv(65536):
                    answer += piece
            except TimeoutError:
                raise
            except OSError:
                pass  # it may refuse, and close, before all was sent
        if answer.startswith(b"HTTP/1.1 "):
            self._judge(int(answer[9:12]), shot)

    def _judge(self, status: int, shot: Shot) -> None:
        if status in (500, 502, 503, 504):
            raise FaultError(f"{status} to {shot}")


# What is sent


def shots(rng: random.Random) -> Iterator[Shot]:
    """Yield hostile requests without end."""
    messages = [*_messages()]
    bodies = [*_bodies()]
    services = {**SERVICES, **v2_services.services(Readiness(make_models()))}
    paths = [f"/{service}/{name}" for service, names in services.items() for name in names]
    makers: list[Callable[[], Shot]] = [
        lambda: Shot("grpc", rng.choice(paths), _mutated(rng, rng.choice(messages))),
        lambda: Shot("grpc", paths[0], _declared(rng)),
        lambda: _body(rng, _mutated(rng, rng.choice(bodies))),
        lambda: _body(rng, _bomb(rng)),
        lambda: _body(rng, _json(rng)),
        lambda: _dense(rng),
        lambda: _v2(rng),
        lambda: Shot("raw", "", _mutated(rng, _request(rng, rng.choice(bodies)))),
    ]
    while True:
        yield rng.choice(makers)()


def _messages() -> Iterator[bytes]:
    for dtype in DTYPES:
        shape = (2, 2)
        array = np.zeros(shape, dtype.numpy)
        if dtype is tensors.STRING:
            array = np.full(shape, b"abc", object)
        message = serving_pb2.PredictRequest(model_spec={"name": dtype.name.lower()})
        message.inputs["x"].CopyFrom(tensor_proto.encode(array))
        yield message.SerializeToString()
        yield _v2_message(dtype, array).SerializeToString()
    yield serving_pb2.GetModelMetadataRequest(
        model_spec={"name": "half"}, metadata_field=["signature_def"]
    ).SerializeToString()
    yield b""


def _bodies() -> Iterator[bytes]:
    for document in (
        {"instances": [1.0, 2.0, 5.0]},
        {"inputs": [[1, 2], [3, 4]], "signature_name": "serving_default"},
        {"instances": [{"a": 1.5, "b_bytes": {"b64": "aGVsbG8="}}]},
        {"inputs": {"a": [1, 2], "b_bytes": ["x", {"b64": "eA=="}]}},
        {"examples": [{"x": 1.0, "y": ["a", {"b64": "eA=="}]}], "context": {"z": 3}},
    ):
        yield json.dumps(document).encode()


def _body(rng: random.Random, body: bytes) -> Shot:
    model = rng.choice(["half", "mixed", *(d.name.lower() for d in DTYPES)])
    verb = rng.choice(["predict", "predict", "classify", "regress"])
    gzipped = rng.random() < 0.2
    if gzipped and rng.random() < 0.7:
        body = gzip.compress(body)
    return Shot("rest", f"/v1/models/{model}:{verb}", body, gzipped)


def _v2_message(dtype: tensors.DType, array: tensors.Array) -> oip_pb2.ModelInferRequest:
    """The same tensor in the other protocol, as far as it has a name for the dtype."""
    datatype = v2_tensors.datatype_of(dtype)
    message = oip_pb2.ModelInferRequest(model_name=dtype.name.lower())
    message.inputs.add(name="x", datatype=datatype, shape=array.shape)
    message.raw_input_contents.append(bytes(v2_tensors.to_binary(array)))
    return message


def _dense(rng: random.Random) -> Shot:
    """A body that is no JSON, or says so, with a header or two that lie."""
    file = io.BytesIO()
    array = np.zeros((2, 2), np.float32)
    rng.choice((np.save, np.savez, np.savez_compressed))(file, array)
    body = rng.choice((file.getvalue(), array.tobytes(), _PNG))
    kinds = ("x-protobuf", "x-npy", "x-npz", "octet-stream", "json")
    kind = rng.choice(["image/png", *(f"application/{kind}" for kind in kinds)])
    shapes = ("2,2", "4", "", "-1", f"0,{2**63 - 1}", f"{2**62},4", "1," * 40, "x" * 2000)
    headers = (
        ("Content-Type", kind),
        ("X-Tensor-Shape", rng.choice(shapes)),
        ("X-Tensor-Dtype", rng.choice(("float32", "bool", "int4", "float8_e5m2", "string", ""))),
        ("X-Tensor-Name", rng.choice(("", "x", "%00", "%ff"))),
        ("Accept", rng.choice(("", *(f"application/{kind};q=0.{len(kind)}" for kind in kinds)))),
    )
    model = rng.choice(["half", "mixed", *(d.name.lower() for d in DTYPES)])
    query = rng.choice(("", "", "?output=x", "?output=x&output=x", "?signature_name=%ff"))
    chosen = tuple(rng.sample(headers, rng.randrange(1, len(headers) + 1)))
    return Shot("rest", f"/v1/models/{model}:predict{query}", _mutated(rng, body), headers=chosen)


def _v2(rng: random.Random) -> Shot:
    """An inference request with tensors behind its JSON, or with wrong ideas of them."""
    dtype = rng.choice(DTYPES)
    datatype = rng.choice((v2_tensors.datatype_of(dtype), *v2_tensors.DATATYPES))
    entry: dict[str, Any] = {"name": "x", "datatype": datatype, "shape": [rng.choice((1, *HUGE))]}
    size = rng.choice((0, 4, 8, -1, 2**63, True, "4"))
    if rng.random() < 0.5:
        entry["parameters"] = {"binary_data_size": size}
    else:
        entry["data"] = rng.choice(([1], [[1]], [True], ["a"], [2**64], [None], {}, [1, [2]]))
    document: dict[str, Any] = {"inputs": [entry] * rng.choice((1, 1, 1, 2))}
    if rng.random() < 0.5:
        document["parameters"] = {"binary_data_output": rng.choice((True, False, 1))}
    head = json.dumps(document).encode()
    body = head + bytes(rng.choice((0, 4, 8)))
    length = rng.choice((len(head), len(body), 0, len(body) + 1, -1, 10**20))
    headers = (("Inference-Header-Content-Length", str(length)),) if rng.random() < 0.8 else ()
    if rng.random() < 0.3:
        body = _mutated(rng, body)
    return Shot("rest", f"/v2/models/{dtype.name.lower()}/infer", body, headers=headers)


_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def _request(rng: random.Random, body: bytes) -> bytes:
    lengths = [b"%d" % n for n in (len(body), 0, 1, len(body) + 7, 10**12, 10**30, -5)]
    framing = rng.choice(
        [
            *(b"Content-Length: " + length for length in [*lengths, b"x", b"0x10", b""]),
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Expect: 100-continue\r\nContent-Length: 5",
        ]
    )
    if framing == b"Transfer-Encoding: chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    extra = b"A: " + b"b" * rng.choice([0, 10, 5000]) + b"\r\n"
    lines = rng.choice([0, 1, 5, 200]) * extra
    return b"POST /v1/models/half:predict HTTP/1.1\r\n" + lines + framing + b"\r\n\r\n" + body


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """Change some bytes: flip, cut, repeat, insert long varints and strange text."""
    changed = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 5, 20))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at:]
            case 2:
                changed[at:at] = changed[at : at + rng.randrange(20)] * rng.randrange(1, 50)
            case 3:
                changed[at:at] = rng.choice(
                    (b"\xff" * 9 + b"\x01", b"\x80" * 20, b"\x0a\xff\xff\x7f")
                )
            case 4:
                del changed[at : at + rng.randrange(1, 10)]
            case _:
                changed[at:at] = rng.choice(
                    (b"[", b"]", b"{", b"}", b'"', b",", b"\x00", b"\xff", b"1e999", b"\r\n", b"-")
                )
    return bytes(changed[: 1 << 20])


def _declared(rng: random.Random) -> bytes:
    """A tensor that says it is something else than what it holds."""
    dtype = rng.choice(DTYPES)
    message = serving_pb2.PredictRequest(model_spec={"name": dtype.name.lower()})
    tensor = message.inputs["x"]
    enums: Any = (dtype.enum, rng.randrange(130))
    tensor.dtype = rng.choice(enums)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 300))):
        tensor.tensor_shape.dim.add(size=rng.choice((*HUGE, rng.randrange(10))))
    tensor.tensor_shape.unknown_rank = rng.random() < 0.05
    tensor.float_val.extend([1.0] * rng.choice((0, 1, 3)))
    tensor.string_val.extend([b"x" * 100] * rng.choice((0, 1)))
    tensor.tensor_content = bytes(rng.choice((0, 0, 1, 8, 1000)))
    return message.SerializeToString()


def _bomb(rng: random.Random) -> bytes:
    n = rng.choice((10, 1000, 100_000))
    return rng.choice(
        (
            b"[" * n,
            b'{"instances":' * n,
            b'{"instances": ' + b"[" * n + b"]" * n + b"}",
            b'{"instances": [' + b"9" * n + b"]}",
            b'{"instances": [' + b"1," * n + b"1]}",
            b'{"instances": [' + b"[]," * n + b"[]]}",
            b'{"instances": [' + b'{"b64":"' + b"A" * n + b'"}]}',
            b'{"instances": ["' + b"\\ud800" * n + b'"]}',
            b'{"' + b"k" * n + b'": 1}',
            b"{" + b'"instances": [1],' * n + b'"inputs": 1}',
            b'{"inputs": ' + b'{"x":' * n + b"1" + b"}" * n + b"}",
            b'{"instances": [' + b"0." + b"1" * n + b"e-" + b"9" * 20 + b"]}",
            b" " * n,
        )
    )


def _json(rng: random.Random) -> bytes:
    """Well-formed JSON of the right kind, with values that make no sense."""

    def value(depth: int) -> Any:
        kinds = 9 if depth < 6 else 7
        match rng.randrange(kinds):
            case 0:
                return rng.choice((1, -1, 0, 2**31, 2**63, 2**64, -(2**70)))
            case 1:
                return rng.choice((1.5, 1e308, -1e-320, 1e39))
            case 2:
                return rng.choice(("", "a", "NaN", "\x00", "ä" * 10, "Infinity"))
            case 3:
                return {"b64": rng.choice(("eA==", "!", 1, None, "e"))}
            case 4:
                return None
            case 5:
                return rng.random() < 0.5
            case 6 | 7:
                return [value(depth + 1) for _ in range(rng.randrange(4))]
            case _:
                names = rng.sample(("x", "a", "b_bytes", "b64", "signature_name", ""), 2)
                return {name: value(depth + 1) for name in names}

    keys = rng.sample(("instances", "inputs", "signature_name", "examples", "context", "other"), 2)
    return json.dumps({key: value(0) for key in keys}).encode()


# Running it


def rounds(seed: int, count: int | None, seconds: float | None) -> int:
    """Shoot `count` times, or for so many seconds; return how often it was."""
    target = Range(seed)
    end = None if seconds is None else time.monotonic() + seconds
    fired = 0
    try:
        for fired, shot in enumerate(shots(target.random)):
            if fired == count or (end is not None and time.monotonic() > end):
                break
            target.fire(shot)
            if fired % 100 == 0:
                target.alive()
        target.alive()
    finally:
        target.close()
    return fired


def resident_bytes() -> int:
    """The memory of this process; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def main() -> int:
    seconds = float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 60.0
    seed = int(time.time())
    before = resident_bytes()
    print(f"seed {seed}", flush=True)
    fired = rounds(seed, None, seconds)
    print(f"{fired} requests; memory grew by {(resident_bytes() - before) >> 20} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
