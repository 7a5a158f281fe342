"""The checklist of TensorFlow Serving's HTTP handler (behaviour reference 8.2)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from peer_process import (
    Peer,
)

MALFORMED = (
    ("GET", "/v1/foo"),
    ("POST", "/v1/foo"),
    ("GET", "/v1/models/debug/model_name"),
    ("POST", "/v1/models"),
    ("GET", "/v1/models/foo:predict"),
    ("GET", "/v1/models/foo/version/50:predict"),
    ("POST", "/v1/models/foo/version/50:predict"),
    ("POST", "/v1/models/foo/versions/HELLO:regress"),
    ("POST", "/v1/models/foo/metadata"),
    ("POST", "/v1/models/foo/label/some_label:regress"),
    ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"),
    ("POST", "/v1/models/foo/versions/some_label:regress"),
)


@pytest.mark.parametrize(("method", "path"), MALFORMED)
def test_malformed_requests(peer: Peer, method: str, path: str) -> None:
    status, answer = peer.rest(path, {"instances": [1.0]} if method == "POST" else None, method)

    assert status == 400
    assert answer["error"] == f"Malformed request: {method} {path}"


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("foo/versions/18446744073709551615:regress", {}, 400, "Failed to convert version"),
        ("foo:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(foo)"),
        ("foo/versions/5:predict", {"instances": [1]}, 404, "Specific(foo, 5)"),
        ("default99:predict", {"instances": [1]}, 404, "Latest(default99)"),
        ("default:predict", "", 400, "JSON Parse error: The document is empty"),
        ("default:predict", "instances = [1, 2]", 400, "JSON Parse error: Invalid value"),
        ("default:predict", {"instances": ["x", "y"]}, 400, "not of expected type: float"),
        (
            "default/labels/x:predict",
            {"instances": [1]},
            400,
            "Unrecognized servable version label",
        ),
        (
            "default:predict",
            {"signature_name": 100, "instances": [1]},
            400,
            "'signature_name' key must be a string value.",
        ),
    ],
)
def test_refusals_over_rest(peer: Peer, path: str, body: object, status: int, error: str) -> None:
    got, answer = peer.rest(f"/v1/models/{path}", body)

    assert got == status
    assert error in answer["error"]


def test_rest_results_of_other_numbers(peer: Peer) -> None:
    regress = {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}
    classify = {"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}
    assert peer.rest("/v1/models/default:regress", regress)[1] == {"results": [42.0]}
    assert peer.rest("/v1/models/default:classify", classify)[1] == {"results": [[["", 12.0]]]}
    classify["examples"] = [{"x": 10.0}]
    got = peer.rest("/v1/models/default/labels/stable:classify", classify)
    assert got == (200, {"results": [[["", 7.0]]]})


def test_only_v1_is_the_api(peer: Peer) -> None:
    for path in ("/statuspage", "/index"):
        status, _, text = peer.http(path)
        assert status == 404
        assert "Malformed request" not in text


@pytest.mark.parametrize("character", "!#$%&'()*+,/:;=?@[]")
def test_every_character_of_a_name_and_a_label_can_be_escaped(peer: Peer, character: str) -> None:
    name = f"m{character}m"
    escaped = quote(name, safe="")
    status, answer = peer.rest(f"/v1/models/{escaped}")
    assert (status, answer["error"]) == (404, f"Could not find any versions of model {name}")
    status, answer = peer.rest(f"/v1/models/default/labels/{escaped}:predict", {"instances": [1]})
    assert (status, answer["error"]) == (400, f"Unrecognized servable version label: {name}")
