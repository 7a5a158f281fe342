"""/openapi.json: a valid document, whose examples and schemas the server keeps to."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no stubs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from served_models import FakeModels, FakeServable, FakeStatus, echo, half_plus_two, spec

from servable import tensors
from servable.contracts import ServableId
from servable.errors import Unavailable
from servable.tensors import Array, Signature
from servable.transport.rest import RestServer


def models() -> FakeModels:
    shaped = {
        "ids": spec("ids:0", tensors.INT64, (None, 3)),
        "mask": spec("mask:0", tensors.BOOL, (None, 3)),
        "text_bytes": spec("text:0", tensors.STRING, (None,)),
    }
    pair = {"a": spec("a:0", tensors.UINT8, (2,)), "b": spec("b:0", tensors.DOUBLE, ())}
    examples = Signature(
        {"inputs": spec("i:0", tensors.STRING, (None,))},
        {"outputs": spec("o:0", tensors.FLOAT, (None, 1))},
        "tensorflow/serving/regress",
        features={"age": spec("", tensors.INT64, ()), "name": spec("", tensors.STRING, ())},
    )
    large = {"image": spec("image:0", tensors.FLOAT, (None, 224, 224, 3))}
    return FakeModels(
        {
            "half_plus_two": {1: half_plus_two(), 2: half_plus_two()},
            "shaped": {1: FakeServable({"serving_default": Signature(shaped, shaped)}, dict)},
            "pair": {1: FakeServable({"other": Signature(pair, pair)}, dict)},
            "a/b {c}": {1: echo(s=tensors.STRING)},
            "scores": {1: FakeServable({"serving_default": examples}, _scores)},
            "large": {1: FakeServable({"serving_default": Signature(large, large)}, dict)},
            "half": {1: echo(h=tensors.HALF)},
            "loading": {},
        }
    )


def _scores(inputs: Any) -> dict[str, Array]:
    return {"outputs": np.zeros((len(inputs["inputs"]), 1), np.float32)}


@pytest.fixture(scope="module")
def port() -> Any:
    server = RestServer(models(), "127.0.0.1", 0)
    yield server.start()
    server.stop(5)


@pytest.fixture(scope="module")
def document(port: int, ask: Any) -> Any:
    reply = ask(port, "GET", "/openapi.json")
    assert reply.status == 200
    return reply.document


def test_the_document_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_available_model_has_its_paths(document: Any) -> None:
    paths = document["paths"]
    for path in ("", "/metadata", ":predict"):
        for place in ("", "/versions/{version}"):
            assert f"/v1/models/half_plus_two{place}{path}" in paths
    assert "/v1/models/a%2Fb%20%7Bc%7D:predict" in paths
    assert "/v1/models/scores:regress" in paths
    assert "/v1/models/half_plus_two:regress" not in paths
    assert not any(path.startswith("/v1/models/loading") for path in paths)


def bodies(operation: Any) -> Any:
    return operation["requestBody"]["content"].get("application/json", {})


def test_every_example_works(document: Any, port: int, ask: Any) -> None:
    tried = 0
    for path, item in document["paths"].items():
        if "post" not in item:
            continue
        for example in bodies(item["post"]).get("examples", {}).values():
            target = path.replace("{version}", "1")
            reply = ask(port, "POST", target, json.dumps(example["value"]))
            assert reply.status == 200, (path, example, reply.body)
            tried += 1
    assert tried > 10


def test_every_get_answers(document: Any, port: int, ask: Any) -> None:
    for path, item in document["paths"].items():
        if "get" in item:
            assert ask(port, "GET", path.replace("{version}", "1")).status == 200


def test_a_large_signature_has_a_schema_and_no_example(document: Any) -> None:
    body = bodies(document["paths"]["/v1/models/large:predict"]["post"])
    assert "examples" not in body
    rows = body["schema"]["anyOf"][0]["properties"]["instances"]["anyOf"][0]["items"]
    sizes = []
    while rows["type"] == "array":
        sizes.append((rows["minItems"], rows["maxItems"]))
        rows = rows["items"]
    assert sizes == [(224, 224), (224, 224), (3, 3)]


def test_what_json_can_not_carry_is_described_as_bytes_only(document: Any) -> None:
    content = document["paths"]["/v1/models/half:predict"]["post"]["requestBody"]["content"]
    assert sorted(content) == [
        "application/x-npy",
        "application/x-npz",
        "application/x-protobuf",
    ]


def test_other_methods_are_refused(port: int, ask: Any) -> None:
    assert ask(port, "POST", "/openapi.json", b"").status == 400


def test_a_model_that_is_not_loaded_does_not_spoil_the_document(ask: Any) -> None:
    served = FakeModels({"gone": {}})
    served.statuses["gone"] = [FakeStatus(ServableId("gone", 1), "END", Unavailable("broken"))]
    server = RestServer(served, "127.0.0.1", 0)
    try:
        assert list(ask(server.start(), "GET", "/openapi.json").document["paths"]) == ["/v1/models"]
    finally:
        server.stop(5)


# Bodies made from the schemas


def values(schema: Any, size: int) -> st.SearchStrategy[Any]:
    """Values of a schema of ours. Lists of a free length have `size` elements: none is ragged."""
    if "anyOf" in schema:
        return st.one_of([values(one, size) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "array":
            length = schema.get("minItems", 0) if "maxItems" in schema else size
            return st.lists(values(schema.get("items", {}), size), min_size=length, max_size=length)
        case "object":
            members = {
                name: values(one, size) for name, one in schema.get("properties", {}).items()
            }
            required = {name: members.pop(name) for name in schema.get("required", [])}
            return st.fixed_dictionaries(required, optional=members)
        case "number":
            return st.floats(width=16, allow_nan=False, allow_infinity=False)
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case "string" if schema.get("contentEncoding") == "base64":
            return st.sampled_from(["", "AAE=", "eA=="])
        case "string":
            return st.text(max_size=5)
        case _:
            return st.just(1)


PREDICTS = ["half_plus_two", "shaped", "pair", "a%2Fb%20%7Bc%7D"]


@pytest.mark.parametrize("model", PREDICTS)
def test_bodies_of_a_schema_are_answered(model: str, document: Any, port: int, ask: Any) -> None:
    operation = document["paths"][f"/v1/models/{model}:predict"]["post"]
    schema = bodies(operation)["schema"]
    answers = operation["responses"]["200"]["content"]["application/json"]["schema"]

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data(), size=st.integers(1, 3))
    def answered(data: st.DataObject, size: int) -> None:
        body = data.draw(values(schema, size))
        reply = ask(port, "POST", f"/v1/models/{model}:predict", json.dumps(body))
        assert reply.status < 500, (body, reply.body)
        if reply.status == 200:
            jsonschema.validate(reply.document, answers)
        if model in ("half_plus_two", "pair"):
            assert reply.status == 200, (body, reply.body)

    answered()


def test_bodies_of_a_classify_schema_never_fail_the_server(
    document: Any, port: int, ask: Any
) -> None:
    schema = bodies(document["paths"]["/v1/models/scores:regress"]["post"])["schema"]

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def answered(data: st.DataObject) -> None:
        body = data.draw(values(schema, 2))
        assert ask(port, "POST", "/v1/models/scores:regress", json.dumps(body)).status < 500

    answered()
