"""What Triton's own client does with a server, as a script for an interpreter that has it.

Run with the REST and the gRPC port; it ends with status 0 if all went well. It imports
nothing of the project.
"""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

TYPES = (
    *(np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
    *(np.float16, np.float32, np.float64, ml_dtypes.bfloat16, np.object_),
)
MODELS = {
    "bool_": "bool",
    "float32": "float",
    "float64": "double",
    "float16": "half",
    "object_": "string",
}


def sample(kind: Any) -> Any:
    if kind is np.object_:
        return np.array([[b"a", "ü".encode()], [b"", b"0" * 300]], np.object_)
    return np.array([[0, 1, 1], [1, 0, 1]]).astype(kind)


def echo(module: Any, client: Any, kind: Any, *, binary: bool) -> None:
    array = sample(kind)
    known = np_to_triton_dtype(array.dtype)
    datatype = known or "BF16"
    name = MODELS.get(kind.__name__, kind.__name__)
    tensor = module.InferInput("x", list(array.shape), datatype)
    # Versions before 2.70 take float32 and cut it off.
    sent = array if known else array.astype(np.float32)
    if module is tritonclient.http:
        tensor.set_data_from_numpy(sent, binary_data=binary)
        outputs = [module.InferRequestedOutput("x", binary_data=binary)]
    else:
        tensor.set_data_from_numpy(sent)
        outputs = [module.InferRequestedOutput("x")]
    for wanted in (outputs, None):
        result = client.infer(name, [tensor], outputs=wanted, request_id="7")
        answer = result.as_numpy("x")
        if datatype == "BYTES":  # from JSON come characters
            items = [i.encode() if isinstance(i, str) else i for i in answer.reshape(-1).tolist()]
            answer = np.array(items, np.object_).reshape(answer.shape)
        assert answer.shape == array.shape, (name, answer.shape)
        assert (answer == array).all(), (name, binary, answer)


def converse(module: Any, client: Any) -> None:
    over_http = module is tritonclient.http
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("half_plus_two")
    assert client.is_model_ready("half_plus_two", "122")
    assert not client.is_model_ready("half_plus_two", "9")
    options: dict[str, Any] = {} if over_http else {"as_json": True}
    assert client.get_server_metadata(**options)["name"] == "servable"
    metadata = client.get_model_metadata("half_plus_two", **options)
    assert metadata["versions"] == ["122", "123"], metadata
    assert metadata["inputs"][0]["datatype"] == "FP32"
    index = client.get_model_repository_index(**options)
    entries = index if over_http else index["models"]
    assert {"half_plus_two", "float"} <= {entry["name"] for entry in entries}

    for kind in TYPES:
        echo(module, client, kind, binary=True)
        # The client itself has no JSON form for these two.
        if over_http and kind not in (np.float16, ml_dtypes.bfloat16):
            echo(module, client, kind, binary=False)

    x = module.InferInput("x", [3], "FP32")
    x.set_data_from_numpy(np.array([1, 2, 5], np.float32))
    packed = [
        {},
        {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"},
    ]
    packed.append({"request_compression_algorithm": "deflate"})
    for options in packed if over_http else [{}, {"compression_algorithm": "gzip"}]:
        result = client.infer("half_plus_two", [x], model_version="122", **options)
        assert result.as_numpy("y").tolist() == [2.5, 3.0, 4.5]
    named = client.infer("half_plus_two", [x], parameters={"signature_name": "serving_default"})
    assert named.as_numpy("y").tolist() == [2.5, 3.0, 4.5]

    empty = module.InferInput("x", [0], "FP32")
    empty.set_data_from_numpy(np.zeros(0, np.float32))
    assert client.infer("half_plus_two", [empty]).as_numpy("y").shape == (0,)

    for call, status in (
        (lambda: client.infer("nope", [x]), ("404", "StatusCode.NOT_FOUND")),
        (lambda: client.infer("int64", [x]), ("400", "StatusCode.INVALID_ARGUMENT")),
        (
            lambda: client.load_model("half_plus_two"),
            ("403", "StatusCode.PERMISSION_DENIED"),
        ),
        (
            lambda: client.unload_model("half_plus_two"),
            ("403", "StatusCode.PERMISSION_DENIED"),
        ),
    ):
        refusal = refused(call)
        assert refusal.status() in status, refusal
        assert refusal.message()


def refused(call: Any) -> Any:
    try:
        call()
    except InferenceServerException as error:
        return error
    raise AssertionError("the call was expected to fail")


def main(rest_port: str, grpc_port: str) -> None:
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{rest_port}") as client:
        converse(tritonclient.http, client)
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        converse(tritonclient.grpc, client)


if __name__ == "__main__":
    main(*sys.argv[1:])
