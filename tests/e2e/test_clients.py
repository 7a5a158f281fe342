"""The clients against this server: every call, transport security, other languages."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from predict_servers import grpc_server
from served_models import FakeModels, half_plus_two

from servable.client import (
    NO_RETRIES,
    AsyncGrpcClient,
    AsyncRestClient,
    Classification,
    Client,
    GrpcClient,
    Regression,
    RestClient,
    Task,
    Tls,
    connect,
)
from servable.errors import Unavailable
from servable.pb import serving_pb2
from servable.servables.saved_model import SavedModelLoader
from servable.server.assemble import Server
from servable.tensor_proto import decode, encode
from servable.tensors import Array
from servable.transport.grpc import GrpcServer
from servable.transport.options import GrpcOptions, RestOptions
from servable.transport.options import Tls as ServerTls
from servable.transport.rest import RestServer

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PEM = DATA / "tls"
CLIENTS = ROOT / "examples" / "clients"


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """A recorded model with examples for input, over each protocol."""
    loader = SavedModelLoader(DATA / "models" / "tf1_inference")
    loader.load()
    models = FakeModels({"m": {123: loader.servable()}})
    rest, rpc = RestServer(models, "127.0.0.1", 0), GrpcServer(models, "127.0.0.1", 0)
    try:
        yield {"rest": f"127.0.0.1:{rest.start()}", "grpc": f"127.0.0.1:{rpc.start()}"}
    finally:
        rest.stop(10)
        rpc.stop(10)


EXAMPLES = [{"x": 1.0}, {"x": 2.0}]
CLASSIFY, REGRESS = "classify_x_to_y", "regress_x_to_y"


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_classify_and_regress(protocol: str, addresses: dict[str, str]) -> None:
    with connect(addresses[protocol]) as client:
        classes = client.classify("m", EXAMPLES, signature=CLASSIFY)
        numbers = client.regress("m", [{}, {"x": 3.0}], context={"x": 2.0}, signature=REGRESS)

    assert classes.scores.tolist() == [[2.5], [3.0]]
    assert numbers.values.tolist() == [3.0, 3.5]


def test_multi_inference(addresses: dict[str, str]) -> None:
    tasks = [Task("regress", REGRESS), Task("classify", CLASSIFY)]
    with GrpcClient(addresses["grpc"]) as client:
        numbers, classes = client.multi_inference("m", tasks, EXAMPLES)

    assert isinstance(numbers, Regression)
    assert isinstance(classes, Classification)
    assert numbers.version == classes.version == 123
    assert numbers.values.tolist() == classes.scores[:, 0].tolist() == [2.5, 3.0]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_coroutines(protocol: str, addresses: dict[str, str]) -> None:
    async def ask() -> list[Any]:
        kind: Any = AsyncGrpcClient if protocol == "grpc" else AsyncRestClient
        async with kind(addresses[protocol]) as client:
            return await asyncio.gather(
                *(client.regress("m", EXAMPLES, signature=REGRESS) for _ in range(5))
            )

    assert [answer.values.tolist() for answer in asyncio.run(ask())] == [[2.5, 3.0]] * 5


@pytest.fixture(params=["grpc", "rest"])
def secured(request: pytest.FixtureRequest) -> Iterator[Callable[[bool], str]]:
    """Start a server with a certificate for localhost; True makes it ask for the client's."""
    models = FakeModels({"m": {1: half_plus_two()}})

    def text(name: str) -> str:
        return (PEM / name).read_text()

    with ExitStack() as stack:

        def start(mutual: bool) -> str:
            tls = ServerTls(
                text("server.key"),
                text("server.pem"),
                custom_ca=text("ca.pem") if mutual else "",
                client_verify=mutual,
            )
            server: GrpcServer | RestServer
            if request.param == "grpc":
                server = GrpcServer(models, "127.0.0.1", 0, GrpcOptions(tls=tls))
            else:
                server = RestServer(models, "127.0.0.1", 0, RestOptions(tls=tls))
            stack.callback(server.stop, 10)
            return f"localhost:{server.start()}"

        yield start


def predicted(client: Client) -> list[float]:
    numbers: list[float] = (
        client.predict("m", {"x": np.array([1, 2], np.float32)}).outputs["y"].tolist()
    )
    return numbers


def test_a_trusted_server_is_talked_to_with_tls(secured: Callable[[bool], str]) -> None:
    with connect(secured(False), tls=Tls(PEM / "ca.pem"), retries=NO_RETRIES) as client:
        assert predicted(client) == [2.5, 3.0]


def test_both_sides_show_their_certificates(secured: Callable[[bool], str]) -> None:
    tls = Tls(PEM / "ca.pem", PEM / "client.pem", PEM / "client.key")
    with connect(secured(True), tls=tls, retries=NO_RETRIES) as client:
        assert predicted(client) == [2.5, 3.0]


@pytest.mark.parametrize("kind", [GrpcClient, RestClient])
def test_a_server_that_is_not_trusted_is_not_talked_to(
    kind: type[GrpcClient | RestClient], secured: Callable[[bool], str]
) -> None:
    address = secured(False)
    with kind(address, tls=Tls(), retries=NO_RETRIES) as client, pytest.raises(Unavailable):
        predicted(client)


def test_a_client_without_the_certificate_that_is_wanted_is_refused(
    secured: Callable[[bool], str],
) -> None:
    address = secured(True)

    def ask() -> None:
        with connect(address, tls=Tls(PEM / "ca.pem"), retries=NO_RETRIES) as client:
            predicted(client)

    with pytest.raises(Unavailable):
        ask()


def test_grpc_over_a_unix_socket(tmp_path: Path) -> None:
    def answer(data: bytes, _: grpc.ServicerContext) -> Message:
        reply = serving_pb2.PredictResponse()
        reply.outputs["y"].CopyFrom(serving_pb2.PredictRequest.FromString(data).inputs["x"])
        return reply

    with (
        grpc_server({"Predict": answer}, address=f"unix:{tmp_path / 'socket'}") as address,
        connect(address) as client,
    ):
        assert client.predict("m", {"x": [1, 2]}).outputs["y"].tolist() == [1, 2]


@pytest.mark.parametrize("kind", [GrpcClient, RestClient])
def test_compressed_requests_are_understood(
    kind: type[GrpcClient | RestClient], addresses: dict[str, str]
) -> None:
    address = addresses["grpc" if kind is GrpcClient else "rest"]
    with kind(address, gzip=True) as client:
        assert client.regress("m", EXAMPLES, signature=REGRESS).values.tolist() == [2.5, 3.0]


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd
    )


@contextmanager
def image_models(images: Array, labels: Array) -> Iterator[str]:
    """Serve `mnist`, which knows these images by heart, and `resnet`, which counts bytes."""

    def answer(data: bytes, context: grpc.ServicerContext) -> Message:
        request = serving_pb2.PredictRequest.FromString(data)
        reply = serving_pb2.PredictResponse()
        if request.model_spec.name == "resnet":
            (jpeg,) = decode(request.inputs["image_bytes"])
            reply.outputs["classes"].CopyFrom(encode(np.array([len(jpeg)])))
        elif request.model_spec.signature_name == "predict_images":
            image = decode(request.inputs["images"])
            (index,) = np.flatnonzero((images == image).all(axis=1))
            scores = np.zeros((1, 10), np.float32)
            scores[0, labels[index]] = 1
            reply.outputs["scores"].CopyFrom(encode(scores))
        else:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no such signature")
        return reply

    with grpc_server({"Predict": answer}) as address:
        yield address


def test_scripts_in_the_style_of_the_peers_own_work(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((20, 784), np.float32)
    labels = np.arange(20) % 10
    shown = labels.copy()
    shown[:5] += 1  # the model is wrong about a quarter of what it is shown
    np.savez(tmp_path / "digits.npz", images=images, labels=shown)
    (tmp_path / "cat.jpg").write_bytes(b"x" * 77)

    with image_models(images, labels) as address:
        mnist: list[str | Path] = [
            sys.executable,
            CLIENTS / "python/mnist_client.py",
            f"--server={address}",
        ]
        good = run(*mnist, f"--data={tmp_path / 'digits.npz'}", "--concurrency=4")
        bad = run(*mnist, f"--data={tmp_path / 'digits.npz'}", "--signature=s", "--num_tests=2")
        resnet = run(
            sys.executable,
            CLIENTS / "python/resnet_client.py",
            f"--server={address}",
            f"--image={tmp_path / 'cat.jpg'}",
            "--requests=3",
        )

    assert (good.stdout, good.returncode) == ("error rate: 25.0% of 20\n", 0), good.stderr
    assert (bad.stdout.count("FAILED_PRECONDITION: no such signature"), bad.returncode) == (2, 1)
    assert (resnet.stdout.startswith("class 77, "), resnet.returncode) == (True, 0), resnet.stderr


LANGUAGES: dict[str, list[str | Path]] = {
    "node": [CLIENTS / "javascript/predict.mjs"],
    "go": ["run", CLIENTS / "go/predict.go"],
}


@pytest.mark.parametrize("program", LANGUAGES)
def test_clients_in_other_languages(
    program: str, server: Server, images: Array, expected: dict[int, Array]
) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    base = [found, *LANGUAGES[program], f"http://127.0.0.1:{server.rest_port}"]

    answered = run(*base, "digits", json.dumps(images[:1].tolist()))
    refused = run(*base, "nope", "[1.0]")

    assert answered.returncode == 0, answered.stderr
    np.testing.assert_allclose(json.loads(answered.stdout), expected[2][:1], rtol=1e-4, atol=1e-5)
    assert refused.returncode == 1
    assert "Servable not found for request: Latest(nope)" in refused.stderr
