"""What hints say about a body at fault: where the fault is, and a command in the same form."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PREDICT = "/v1/models/half_plus_two:predict"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"instances": [1,,]}', "line 1, column 18, where it goes on with ',]}'"),
        (b'{\n  "instances": [1.0\n}', "line 3, column 1, where it goes on with '}'"),
        ('{"größe": x}'.encode(), "line 1, column 11, where it goes on with 'x}'"),
        (b'{"instances": [', "line 1, column 16, where the body ends"),
    ],
)
def test_a_fault_in_json_is_shown_by_line_and_column(asking: Any, body: bytes, place: str) -> None:
    reply = asking.rest("POST", PREDICT, body)
    assert reply.status == 400
    assert reply.error.startswith("JSON Parse error: ")
    assert reply.hint.startswith(f"The fault is in {place}. Try: curl -d ")
    *_, data, _ = shlex.split(reply.hint.partition("Try: ")[2])
    assert asking.rest("POST", PREDICT, data).status == 200


def test_a_fault_in_json_for_no_model_is_shown_too(asking: Any) -> None:
    reply = asking.rest("POST", "/v1/models/nope:predict", b"[")
    assert "line 1, column 2" in reply.hint
    assert '{"instances": [...]}' in reply.hint


@pytest.mark.parametrize(
    ("document", "status"), [({"inputs": [1.5]}, 501), ({"instances": [1.5]}, 400)]
)
def test_what_json_has_no_form_for_is_sent_as_a_file(
    asking: Any, tmp_path: Path, document: Any, status: int
) -> None:
    reply = asking.post("half:predict", document)
    assert reply.status == status
    assert "JSON has no form for these inputs" in reply.hint
    follow(asking, tmp_path, reply.hint)


@pytest.mark.parametrize(
    ("path", "kind", "body", "headers"),
    [
        (PREDICT, "x-npy", b"no such file", {}),
        (PREDICT, "x-npz", b"no such file", {}),
        (PREDICT, "octet-stream", b"123", {"X-Tensor-Shape": "1"}),
        (PREDICT, "octet-stream", b"1234", {"X-Tensor-Shape": "one"}),
        (PREDICT, "x-npy", "wrong dtype", {}),
        (PREDICT + "?output=z", "octet-stream", b"1234", {"X-Tensor-Shape": "1"}),
    ],
)
def test_a_body_of_another_form_gets_a_hint_in_its_form(
    asking: Any, tmp_path: Path, path: str, kind: str, body: Any, headers: dict[str, str]
) -> None:
    if body == "wrong dtype":
        np.save(tmp_path / "wrong.npy", np.zeros((1,), np.complex64))
        body = (tmp_path / "wrong.npy").read_bytes()
    kind = f"application/{kind}"
    reply = asking.rest("POST", path, body, **{"Content-Type": kind}, **headers)
    assert (reply.status, kind in reply.hint) == (400, True)
    follow(asking, tmp_path, reply.hint)


def test_bytes_that_are_no_message_get_a_hint_about_messages(asking: Any) -> None:
    reply = asking.rest("POST", PREDICT, b"\xff\xff", **{"Content-Type": "application/x-protobuf"})
    assert reply.status == 400
    assert "PredictRequest" in reply.hint


def follow(asking: Any, folder: Path, hint: str) -> None:
    """Do what the command in a hint does, without a shell; it has to be answered."""
    made, sent = hint.partition("Try: ")[2].split(" && ")
    interpreter, flag, script = shlex.split(made)
    assert (interpreter, flag) == ("python3", "-c")
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    curl, *arguments = shlex.split(sent)
    assert curl == "curl"
    named = [arguments[at + 1] for at, word in enumerate(arguments) if word == "-H"]
    headers = dict(text.split(": ", 1) for text in named)
    data = (folder / arguments[arguments.index("--data-binary") + 1].removeprefix("@")).read_bytes()
    address = f"http://127.0.0.1:{asking.rest_port}"
    assert arguments[-1].startswith(address)
    accepted = {**headers, "Accept": "application/x-npy"}
    reply = asking.rest("POST", arguments[-1].removeprefix(address), data, **accepted)
    assert reply.status == 200, reply.body


def test_commands_are_for_shells(asking: Any) -> None:
    """Names come from models: whatever a shell could take for its own is quoted."""
    reply = asking.rest("POST", "/v1/models/a%2Fb%3Ac%20d%25%3F%23%5B%5D%40:predict", b"{}")
    *_, data, url = shlex.split(reply.hint.partition("Try: ")[2])
    path = url.removeprefix(f"http://127.0.0.1:{asking.rest_port}")
    assert json.loads(data) == {"instances": [1.0]}
    assert asking.rest("POST", path, data).status == 200
