"""Every request that a hint or /openapi.json offers is answered when it is sent back as it is."""

from __future__ import annotations

import http.client
import json
import shlex
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from servable import edit
from servable.demos import digits
from servable.pb import framework_pb2
from servable.pb._pool import POOL
from servable.server.assemble import Server
from servable.server.config import BareModel, ServerConfig

DATA = Path(__file__).parents[1] / "data"
PATIENCE = 60.0

FILES = ("saved_model.pb", "saved_model.pbtxt", "model.onnx", "model.tflite")
WITHOUT_VARIABLES = DATA / "show" / "keras_archive"
"""It can be shown, and answers nothing; its `train` may not be tried, for it leaves a trace."""

FOLDERS = sorted({file.parent for name in FILES for file in DATA.rglob(name)} - {WITHOUT_VARIABLES})

IMAGE = """
node { name: "jpeg" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } }
       attr { key: "shape" value { shape { } } } }
node { name: "pixels" op: "DecodeJpeg" input: "jpeg"
       attr { key: "channels" value { i: 3 } } }
node { name: "size" op: "Shape" input: "pixels" attr { key: "T" value { type: DT_UINT8 } }
       attr { key: "out_type" value { type: DT_INT32 } } }
"""
NUMBERS = """
node { name: "texts" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } }
       attr { key: "shape" value { shape { dim { size: -1 } } } } }
node { name: "values" op: "StringToNumber" input: "texts"
       attr { key: "out_type" value { type: DT_FLOAT } } }
"""
WINDOWS = """
node { name: "series" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: -1 } dim { size: -1 } } } } }
node { name: "row" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } }
              int_val: 0 int_val: 5 } } } }
node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } }
              int_val: 1 int_val: 1 } } } }
node { name: "sixth" op: "Slice" input: "series" input: "row" input: "one"
       attr { key: "T" value { type: DT_FLOAT } }
       attr { key: "Index" value { type: DT_INT32 } } }
"""


def _build(folder: Path, graph: str, feed: tuple[str, Any, Any], fetch: tuple[str, Any]) -> Path:
    builder = edit.SavedModelBuilder(folder)
    signature = edit.predict_signature_def(
        {"x": edit.build_tensor_info(*feed)}, {"y": edit.build_tensor_info(*fetch, None)}
    )
    parsed = text_format.Parse(graph, framework_pb2.GraphDef(), descriptor_pool=POOL)
    builder.add_meta_graph_and_variables(
        parsed, {}, ["serve"], signature_def_map={"serving_default": signature}
    )
    return builder.save()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    made = tmp_path_factory.mktemp("made")
    folders = {f"{folder.parent.name}.{folder.name}": folder for folder in FOLDERS}
    folders["digits"] = digits.MODELS / "2"
    folders["image"] = _build(made / "image", IMAGE, ("jpeg", object, ()), ("size", np.int32))
    folders["numbers"] = _build(
        made / "numbers", NUMBERS, ("texts", object, (None,)), ("values", np.float32)
    )
    folders["windows"] = _build(
        made / "windows", WINDOWS, ("series", np.float32, (None, None)), ("sixth", np.float32)
    )
    models = tuple(BareModel(name, path) for name, path in folders.items())
    config = ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)
    with Server(config) as started:
        assert started.wait_until_settled(PATIENCE)
        assert started.rest_port is not None
        yield started.rest_port


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, None if body is None else body.encode())
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def paths(port: int) -> Any:
    status, document = ask(port, "GET", "/openapi.json")
    assert status == 200
    return document["paths"]


def test_every_example_of_the_openapi_document_is_answered(port: int, paths: Any) -> None:
    offered: dict[str, int] = {}
    for path, item in paths.items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        for name, example in content.get("application/json", {}).get("examples", {}).items():
            target = path.replace("{version}", "1")
            status, answer = ask(port, "POST", target, json.dumps(example["value"]))
            assert status == 200, (target, name, example, answer)
            offered[path] = offered.get(path, 0) + 1
    for model in ("image", "numbers", "windows", "models.tf2_inference", "models.tf2_dtypes"):
        assert offered[f"/v1/models/{model}:predict"], model
    assert offered["/v1/models/models.tf2_inference:classify"] == 2
    assert offered["/v1/models/models.tf1_inference:regress"] >= 2


BODIES = ('{"instances": [[[{}]]]}', '{"inputs": {"nothing": [[]]}}', '{"instances": [1,,]}', "")


@pytest.mark.parametrize("body", BODIES)
def test_every_command_in_a_hint_is_answered(port: int, paths: Any, body: str) -> None:
    offered = set()
    for path, item in paths.items():
        schema = item.get("post", {}).get("requestBody", {}).get("content", {})
        if "post" not in item or "{version}" in path:
            continue
        names = _signatures(schema) or [""]
        for name in names:
            chosen = body.replace("{", json.dumps({"signature_name": name})[:-1] + ", ", 1)
            status, answer = ask(port, "POST", path, chosen if name else body)
            assert 400 <= status < 500 or status == 501, (path, answer)
            _, found, command = answer["hint"].partition("Try: ")
            if found and command.startswith("curl -d "):
                curl, flag, data, url = shlex.split(command)
                assert (curl, flag) == ("curl", "-d")
                parts = urllib.parse.urlsplit(url)
                assert parts.port == port
                status, answer = ask(port, "POST", parts.path, data)
                assert status == 200, (path, body, command, answer)
                offered.add((path, name))
    assert len(offered) > 20


def _signatures(content: Any) -> list[str]:
    schemas = content.get("application/json", {}).get("schema", {}).get("anyOf", [])
    return sorted({s["properties"]["signature_name"]["enum"][-1] for s in schemas})
