"""The server as a process, started and asked the way TensorFlow Serving's own suite does it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import grpc
import pytest

from servable.pb import config_pb2, example_pb2, framework_pb2, inference_pb2, serving_pb2

TESTS = Path(__file__).parents[1]
BINARY = TESTS.parent / "deploy" / "tensorflow_model_server"
MODELS, MORE = TESTS / "data" / "models", TESTS / "data" / "checklist"
SERVED = {
    "default": MODELS / "tf1_inference",
    "tf2": MORE / "tf2_half_plus_two",
    "half_plus_three": MORE / "half_plus_three",
    **{name: MORE / name for name in ("counter", "concrete", "several", "keras", "mirrored")},
}
VERSION = 123
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
PATIENCE = 60.0
CHANNEL_ARGUMENTS = "grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb"
RESPONSES: Mapping[str, Any] = {
    "PredictionService/Predict": serving_pb2.PredictResponse,
    "PredictionService/Classify": inference_pb2.ClassificationResponse,
    "PredictionService/Regress": inference_pb2.RegressionResponse,
    "PredictionService/MultiInference": inference_pb2.MultiInferenceResponse,
    "PredictionService/GetModelMetadata": serving_pb2.GetModelMetadataResponse,
    "ModelService/GetModelStatus": serving_pb2.GetModelStatusResponse,
    "ModelService/HandleReloadConfigRequest": config_pb2.ReloadConfigResponse,
}


@dataclass
class Peer:
    """A server as that suite starts one."""

    process: subprocess.Popen[bytes]
    port: int
    rest_port: int
    socket_path: Path
    config: Path
    log: Path

    def call(self, method: str, request: Any, target: str = "") -> Any:
        """Return the answer to a message; raises grpc.RpcError."""
        with grpc.insecure_channel(target or f"127.0.0.1:{self.port}") as channel:
            stub = channel.unary_unary(
                f"/tensorflow.serving.{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=RESPONSES[method].FromString,
            )
            return stub(request, timeout=PATIENCE)

    def refused(self, method: str, request: Any) -> str:
        """Return code and text of the refusal of a message."""
        with pytest.raises(grpc.RpcError) as refusal:
            self.call(method, request)
        return f"{refusal.value.code().name}: {refusal.value.details()}"

    def predict(self, model: str, x: float | None = 2.0, **more: Any) -> Any:
        return self.call("PredictionService/Predict", predict_request(model, x, **more))

    def rest(self, path: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
        """Return status and answer of an HTTP request; the answer is decoded if it is JSON."""
        status, headers, text = self.http(path, body, method)
        assert headers["content-type"] == "application/json"
        return status, json.loads(text)

    def http(
        self, path: str, body: object = None, method: str | None = None
    ) -> tuple[int, Message, str]:
        data = body.encode() if isinstance(body, str) else None
        if body is not None and data is None:
            data = json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.rest_port}{path}"
        request = urllib.request.Request(url, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.headers, refusal.read().decode()


def predict_request(model: str, x: float | None = 2.0, **more: Any) -> Any:
    request = serving_pb2.PredictRequest(output_filter=more.pop("output_filter", ()))
    request.model_spec.name = model
    alias, shape = more.pop("alias", "x"), more.pop("shape", ())
    for key, value in more.items():
        setattr(request.model_spec, key, value)
    if x is not None:
        tensor = request.inputs[alias]
        tensor.dtype = framework_pb2.DT_FLOAT
        tensor.tensor_shape.SetInParent()
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.float_val.append(x)
    return request


def example(x: float = 2.0) -> Any:
    message = example_pb2.Example()
    message.features.feature["x"].float_list.value.append(x)
    return message


def examples_request(kind: Any, model: str, signature: str, *items: Any) -> Any:
    request = kind()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.input.example_list.examples.extend(items)
    return request


def tasks_request(*tasks: tuple[str, str, str]) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    request.input.example_list.examples.append(example())
    return request


def listing(base_paths: Mapping[str, Path]) -> str:
    """A config file; a label is on every version."""
    return "model_config_list {{ {} }}".format(
        " ".join(
            f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" '
            f'version_labels {{ key: "stable" value: {VERSION} }} }}'
            for name, path in base_paths.items()
        )
    )


def start(folder: Path, config: Path, *flags: str) -> Peer:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        port, rest_port = one.getsockname()[1], two.getsockname()[1]
    folder.mkdir()
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    log = folder / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                str(BINARY),
                "--host=127.0.0.1",  # the only flag here that is not that suite's
                f"--port={port}",
                f"--rest_api_port={rest_port}",
                f"--model_config_file={config}",
                f"--monitoring_config_file={monitoring}",
                f"--grpc_channel_arguments={CHANNEL_ARGUMENTS}",
                f"--grpc_socket_path={folder / 's'}",
                "--file_system_poll_wait_seconds=1",
                "--allow_version_labels_for_unavailable_models",
                *flags,
            ],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, "PATH": path},
        )
    return Peer(process, port, rest_port, folder / "s", config, log)


def wait_until_ready(peer: Peer) -> None:
    """Ask for a model that does not exist until the refusal says so."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            peer.predict("intentionally_missing_model")
        except grpc.RpcError as error:
            if "Servable" in str(error.details()):
                return
        assert peer.process.poll() is None, peer.log.read_text()
        assert time.monotonic() < deadline, peer.log.read_text()
        threading.Event().wait(0.05)
