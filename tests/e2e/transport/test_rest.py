"""REST: what is answered, to which URLs and bodies."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

MODEL = "/v1/models/half_plus_two"


@pytest.mark.parametrize(
    ("path", "document", "answer"),
    [
        ("", {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        ("", {"instances": [[1, 2], [3, 4]]}, {"predictions": [[2.5, 3.0], [3.5, 4.0]]}),
        ("", {"inputs": [1, 2]}, {"outputs": [2.5, 3.0]}),
        ("", {"inputs": 4}, {"outputs": 4.0}),
        ("", {"inputs": []}, {"outputs": []}),
        ("/versions/122", {"inputs": {"x": [1.0, 2.0, 5.0]}}, {"outputs": [2.5, 3.0, 4.5]}),
        ("/Versions/00122", {"instances": [2]}, {"predictions": [3.0]}),
        ("", {"signature_name": "serving_default", "instances": [2]}, {"predictions": [3.0]}),
    ],
)
def test_predictions(asking: Any, path: str, document: Any, answer: Any) -> None:
    reply = asking.post(f"half_plus_two{path}:predict", document)
    assert (reply.status, reply.document) == (200, answer)
    assert reply.headers["content-type"] == "application/json"


def test_several_inputs_and_outputs(asking: Any) -> None:
    rows = [{"größe": [1.5], "s": "a"}, {"größe": [2.5], "s": "b"}]
    assert asking.post("two:predict", {"instances": rows}).document == {"predictions": rows}
    columns = {"größe": [[1.5]], "s": "a"}
    assert asking.post("two:predict", {"inputs": columns}).document == {"outputs": columns}


def test_a_scalar_output_has_no_rows(asking: Any) -> None:
    columns = asking.post("text:predict", {"inputs": "a"})
    assert columns.document == {"outputs": "a"}
    rows = asking.post("text:predict", {"instances": ["a\x00b"]})
    assert rows.document == {"predictions": ["a\x00b"]}


def test_a_dtype_without_a_form_in_json(asking: Any) -> None:
    columns = asking.post("half:predict", {"inputs": [1]})
    assert (columns.status, columns.error) == (501, "Conversion of JSON Value: 1 to type: half")
    rows = asking.post("half:predict", {"instances": [1]})
    assert rows.status == 400
    assert "use gRPC" in rows.hint


@pytest.mark.parametrize("path", ["", "/versions/123", "/labels/any", "/METADATA"])
def test_status(asking: Any, path: str) -> None:
    entries = [
        {"version": v, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        for v in ("123", "122")
    ]
    expected = entries[:1] if path.startswith("/versions") else entries
    assert asking.rest("GET", MODEL + path).document == {"model_version_status": expected}


def test_metadata(asking: Any) -> None:
    for path in ("/metadata", "/versions/122/metadata"):
        document = asking.rest("GET", MODEL + path).document
        version = "122" if "122" in path else "123"
        assert document["model_spec"] == {
            "name": "half_plus_two",
            "signature_name": "",
            "version": version,
        }
        signatures = document["metadata"]["signature_def"]["signature_def"]
        assert signatures["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_all_models_are_listed(asking: Any) -> None:
    models = asking.rest("GET", "/v1/models").document["models"]
    assert [model["name"] for model in models] == sorted(asking.models.models)


@pytest.mark.parametrize("name", ["a/b:c d%?#[]@", "half_plus_two"])
def test_names_are_percent_decoded(asking: Any, name: str) -> None:
    escaped = quote(name, safe="")
    assert asking.post(f"{escaped}:predict", {"instances": [2]}).document == {"predictions": [3.0]}
    assert asking.rest("GET", f"/v1/models/{escaped}").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("GET", f"{MODEL}/versions/9", 404, "Could not find version 9 of model half_plus_two"),
        ("GET", f"{MODEL}?x=1", 404, "Could not find any versions of model half_plus_two?x=1"),
        ("GET", "/v1/models/metadata", 404, "Could not find any versions of model metadata"),
        ("GET", "/v1/models/a+b", 404, "Could not find any versions of model a+b"),
        ("GET", "/v1/models/nope/metadata", 404, "Servable not found for request: Latest(nope)"),
        (
            "GET",
            f"{MODEL}/labels/x/metadata",
            400,
            "Unrecognized servable version label: x",
        ),
        ("GET", "/v1/models/versions/1", 400, "Missing model name in request."),
        ("GET", "/v1/models/labels/a/metadata", 400, "Missing model name in request."),
        (
            "POST",
            f"{MODEL}/versions/18446744073709551615:predict",
            400,
            "Failed to convert version: 18446744073709551615 to numeric.",
        ),
        (
            "GET",
            f"{MODEL}/versions/{'9' * 5000}",
            400,
            f"Failed to convert version: {'9' * 5000} to numeric.",
        ),
        ("GET", "/v1/models/%zz", 400, "Failed to decode model name:%zz"),
        ("GET", f"{MODEL}/labels/%", 400, "Failed to decode model version label:%"),
        ("GET", "/index", 404, "No such page: /index"),
        ("GET", "/v3/models/m", 404, "No such page: /v3/models/m"),
    ],
)
def test_urls_that_lead_nowhere(
    asking: Any, method: str, path: str, status: int, error: str
) -> None:
    reply = asking.rest(method, path, b"{}" if method == "POST" else None)
    assert (reply.status, reply.error) == (status, error)
    assert reply.headers["content-type"] == "application/json"
    assert reply.hint


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("GET", "/v1/models/debug/model_name"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/foo:predict"),
        ("GET", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/versions/HELLO:predict"),
        ("POST", "/v1/models/foo/metadata"),
        ("POST", "/v1/models/foo/label/some_label:predict"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:predict"),
        ("POST", "/v1/models/foo/versions/some_label:predict"),
        ("POST", f"{MODEL}:PREDICT"),
        ("POST", f"{MODEL}:predict?x=1"),
        ("POST", f"{MODEL}:predict/"),
        ("GET", f"{MODEL}/"),
        ("GET", f"{MODEL}/versions/1?x=1"),
        ("GET", f"{MODEL}/metadata?x=1"),
        ("GET", "/v1/models?x=1"),
        ("PUT", f"{MODEL}:predict"),
        ("DELETE", MODEL),
        ("PATCH", MODEL),
    ],
)
def test_malformed_requests(asking: Any, method: str, path: str) -> None:
    reply = asking.rest(method, path)
    assert (reply.status, reply.error) == (400, f"Malformed request: {method} {path}")


def test_words_in_a_path_are_matched_in_any_case(asking: Any) -> None:
    reply = asking.rest("POST", "/V1/Models/half_plus_two/VERSIONS/123:predict", '{"inputs": 0}')
    assert reply.document == {"outputs": 2.0}


def test_head_is_malformed_and_has_no_body(asking: Any) -> None:
    reply = asking.rest("HEAD", MODEL)
    assert (reply.status, reply.body) == (400, b"")


@pytest.mark.parametrize(("origin", "status"), [("https://a.example", 200), ("", 400)])
def test_options_depends_on_the_origin_alone(asking: Any, origin: str, status: int) -> None:
    headers = {"Origin": origin} if origin else {}
    reply = asking.rest("OPTIONS", MODEL, **headers)
    assert (reply.status, reply.body) == (status, b"")
    assert "access-control-allow-origin" not in reply.headers


def test_cors_headers_are_on_every_answer_if_wanted(
    rest_server: Callable[..., int], ask: Callable[..., Any]
) -> None:
    port = rest_server(cors=True)
    for method, path in (("GET", MODEL), ("GET", "/v1/foo"), ("OPTIONS", MODEL)):
        headers = ask(port, method, path, headers={"Origin": "http://a"}).headers
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-allow-methods"] == "POST, GET"
        allowed = headers["access-control-allow-headers"].lower().split(", ")
        assert allowed[0] == "content-type"
        assert {"x-tensor-shape", "x-signature-name", "x-output-name"} <= set(allowed)
        assert {"inference-header-content-length", "content-encoding"} <= set(allowed)
        exposed = headers["access-control-expose-headers"].split(", ")
        assert {"x-tensor-shape", "x-tensor-dtype", "x-tensor-name"} <= set(exposed)


# Bodies


def test_a_gzip_body_is_inflated(asking: Any) -> None:
    body = gzip.compress(b'{"instances": [2]}')
    reply = asking.rest("POST", f"{MODEL}:predict", body, content_encoding="x-gzip")
    assert reply.document == {"predictions": [3.0]}


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip",
        gzip.compress(b'{"instances": [2]}')[:-9],
        gzip.compress(b'{"instances": [2]}' + b" " * 104857600),
        b"",
    ],
    ids=["no gzip", "cut off", "too large", "empty"],
)
def test_a_gzip_body_that_can_not_be_inflated_counts_as_empty(asking: Any, body: bytes) -> None:
    reply = asking.rest("POST", f"{MODEL}:predict", body, content_encoding="gzip")
    assert (reply.status, reply.error) == (400, "JSON Parse error: The document is empty")
    assert "gzip" in reply.hint


def test_another_encoding_is_not_interpreted(asking: Any) -> None:
    reply = asking.rest("POST", f"{MODEL}:predict", '{"inputs": 2}', content_encoding="br")
    assert reply.document == {"outputs": 3.0}


def test_a_chunked_body_is_read(asking: Any) -> None:
    chunks = iter([b'{"inst', b'ances": [2', b"]}"])
    assert asking.rest("POST", f"{MODEL}:predict", chunks).document == {"predictions": [3.0]}


def test_a_body_may_come_in_many_pieces(asking: Any) -> None:
    values = list(range(100_000))
    reply = asking.post("half_plus_two:predict", {"instances": values})
    assert reply.document["predictions"] == [v / 2 + 2 for v in values]


def test_a_body_that_is_too_long_is_refused_unread(
    rest_server: Callable[..., int], ask: Callable[..., Any]
) -> None:
    port = rest_server(max_body_bytes=100)
    for body in (b" " * 101, iter([b" " * 60, b" " * 60])):
        reply = ask(port, "POST", f"{MODEL}:predict", body)
        assert reply.status == 413
        assert reply.error == "The request body is longer than 100 bytes."
        assert reply.headers["connection"] == "close"
    assert ask(port, "POST", f"{MODEL}:predict", b'{"inputs": 2}'.ljust(100)).status == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b'{"instances": [1, 2', "JSON Parse error: Missing a comma or ] after an array element."),
        (b"\xff\xfe\x00", "JSON Parse error: Invalid value. at offset: 0"),
        (b"[" * 50_000, "JSON Parse error: Invalid value. at offset: 50000"),
        (b'{"a":' * 5000 + b"1", "JSON Parse error: Missing a comma or }"),
        (b'{"instances": [' + b"9" * 100_000 + b"]}", "JSON Parse error: Number too big"),
        (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", "Failed to process element: 0"),
        (b"instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
        (b'{"signature_name":100}', "JSON Value: {"),
    ],
)
def test_hostile_bodies_are_refused_with_a_reason(asking: Any, body: bytes, error: str) -> None:
    reply = asking.rest("POST", f"{MODEL}:predict", body)
    assert reply.status == 400
    assert reply.error.startswith(error)
    assert reply.hint


def test_bad_syntax_is_reported_before_an_unknown_model(asking: Any) -> None:
    assert asking.rest("POST", "/v1/models/nope:predict", b"{").status == 400
    assert asking.post("nope:predict", {"signature_name": 1}).status == 400
    assert asking.post("nope:predict", {"instances": "bad"}).status == 404


def test_bytes_that_are_no_text_are_refused_with_valid_json(asking: Any) -> None:
    reply = asking.rest("POST", f"{MODEL}:predict", b'{"instances": ["\xff"]}')
    assert reply.status == 400
    json.loads(reply.body.decode("utf-8", "strict"))
    for model in ("%FF", "%00"):
        assert asking.rest("GET", f"/v1/models/{model}").status == 404


def raw(port: int, data: bytes, *, no_more: bool = True) -> bytes:
    """Send bytes, and return what comes back until the server closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.sendall(data)
        if no_more:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nContent-Length: x\r\n\r\n{}",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nContent-Length: 1\r\n\r\n{}garbage",
        b"POST /v1/models/m:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/models/\xd9\xa3 HTTP/1.1\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://other/v1/models HTTP/1.1\r\n\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"",
    ],
)
def test_broken_http_does_not_end_the_server(asking: Any, data: bytes) -> None:
    raw(asking.rest_port, data)
    assert asking.rest("GET", MODEL).status == 200


def test_a_client_that_leaves_in_the_middle_of_a_body_is_forgotten(asking: Any) -> None:
    fed = len(asking.models.models["half_plus_two"][123].fed)
    answer = raw(
        asking.rest_port,
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nContent-Length: 18\r\n\r\n"
        b'{"instances": [1]',
    )
    assert answer == b""
    assert asking.post("half_plus_two:predict", {"instances": [1]}).status == 200
    assert len(asking.models.models["half_plus_two"][123].fed) == fed + 1


def test_a_connection_is_kept_for_the_next_request(asking: Any) -> None:
    head = b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n"
    good, bad = b'\r\n{"inputs": 2}', b'\r\n{"inputs": 2]'
    requests = head + good + head + bad + head + b"Connection: close\r\n" + good

    answers = raw(asking.rest_port, requests, no_more=False)

    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.count(b"HTTP/1.1 400 Bad Request") == 1
    assert answers.count(b'{"outputs":3.0}') == 2
