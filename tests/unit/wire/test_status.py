"""How errors travel, over REST and over gRPC."""

from __future__ import annotations

import json

import pytest

from servable.errors import Code, InvalidArgument
from servable.wire.status import HTTP_STATUS, ascii_line, error_body, grpc_message

DOCUMENTED = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


@pytest.mark.parametrize("code", Code)
def test_every_code_has_the_peers_http_status(code: Code) -> None:
    assert HTTP_STATUS[code] == DOCUMENTED[code]


@pytest.mark.parametrize(
    ("message", "hint", "body"),
    [
        ('Bad key: "key"', "", b'{"error":"Bad key: \\"key\\""}'),
        ("line\nbreak\x00", "", b'{"error":"line\\nbreak\\u0000"}'),
        ("a", "do b", b'{"error":"a","hint":"do b"}'),
        ("größer", "", '{"error":"größer"}'.encode()),
    ],
)
def test_an_error_body_is_strict_json(message: str, hint: str, body: bytes) -> None:
    assert error_body(InvalidArgument(message, hint=hint)) == body


@pytest.mark.parametrize("text", ["\udcff", "a\ud800b", "\udcc3\udc28"])
def test_bytes_that_are_no_text_do_not_break_an_error(text: str) -> None:
    error = InvalidArgument(text, hint=text)
    assert "\ufffd" in json.loads(error_body(error))["error"]
    assert "\ufffd" in grpc_message(text)


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("short", "short"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1024 + "...TRUNCATED"),
        ("ü" * 512, "ü" * 512),
        ("xü" + "ü" * 511, "x" + "ü" * 511 + "...TRUNCATED"),
    ],
    ids=["short", "at the limit", "over", "two-byte characters", "cut through a character"],
)
def test_a_grpc_message_is_cut_after_1024_bytes(message: str, sent: str) -> None:
    assert grpc_message(message) == sent


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain ~ text", "plain ~ text"),
        ("two\nlines\ttab", "two\\x0alines\\x09tab"),
        ("größe", "gr\\xf6\\xdfe"),
        ("日", "\\u65e5"),
        ("\udcff\x7f", "\\udcff\\x7f"),
    ],
)
def test_a_header_value_is_one_ascii_line(text: str, line: str) -> None:
    assert ascii_line(text) == line
