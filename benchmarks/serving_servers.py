"""The servers that `serving` loads. Each prints its ports, and ends with its standard input."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

SUM = """
class Model:
    signatures = {
        "serving_default": {
            "inputs": {"x": ("float32", [None, None])},
            "outputs": {"y": ("float32", [None])},
        }
    }

    def __init__(self, path):
        pass

    def predict(self, signature, inputs):
        return {"y": inputs["x"].sum(axis=1)}
"""


def ours(path: str, batching: str) -> None:
    """This package: gRPC and REST. `echo` as the path is the toy servable, `sum` a Python one."""
    from servable.batching.choice import natural
    from servable.server import heap
    from servable.server.assemble import Server
    from servable.server.config import BareModel, ServerConfig

    folder, platform = Path(path), "tensorflow"
    if path == "echo":
        folder, platform = Path("."), "echo"
    elif path == "sum":
        folder, platform = Path(tempfile.mkdtemp()), "python"
        (folder / "model.py").write_text(SUM)
    heap.share_heaps()  # as `servable serve` does
    model = BareModel("m", folder, platform=platform)
    config = ServerConfig(
        (model,),
        host="127.0.0.1",
        grpc_port=0,
        rest_port=0,
        batching=natural if batching == "natural" else None,
    )
    with Server(config) as server:
        server.wait_until_settled(120)
        server.check_available()
        print(server.grpc_port, server.rest_port, flush=True)
        sys.stdin.read()


def workers(path: str, count: str) -> None:
    """This package as `servable serve --workers` starts it."""
    with closing(socket.socket()) as one, closing(socket.socket()) as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (one, two)]
    words = [sys.executable, "-m", "servable", "serve", f"m={path}", "--workers", count]
    words += ["--host", "127.0.0.1", "--grpc-port", str(ports[0]), "--rest-port", str(ports[1])]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # not without the server
    with subprocess.Popen([*words, "--log-level", "error"]) as server:
        try:
            while server.poll() is None and not _is_ready(ports[1]):
                time.sleep(0.1)
            if server.poll() is None:
                print(*ports, flush=True)
                sys.stdin.read()
        finally:
            server.terminate()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except OSError:
        return False


def bare_grpc() -> None:
    """What grpcio takes by itself to hand bytes to a function and back."""
    import grpc

    def echo(data: bytes, _: Any) -> bytes:
        return data

    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.server(ThreadPoolExecutor(40))
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", handlers)
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


def bare_asgi() -> None:
    """What uvicorn and orjson take by themselves to read some JSON and write it again."""
    import orjson
    import uvicorn

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        made = orjson.dumps({"predictions": orjson.loads(body)["instances"]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(made))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": made})

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)  # before anybody is told of the port
    config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False)
    server = uvicorn.Server(config)

    def leave() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=leave, daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    asyncio.run(server.serve([listening]))


if __name__ == "__main__":
    servers: dict[str, Callable[..., None]] = {
        "ours": ours,
        "workers": workers,
        "bare-grpc": bare_grpc,
        "bare-asgi": bare_asgi,
    }
    servers[sys.argv[1]](*sys.argv[2:])
