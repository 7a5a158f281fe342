"""Log lines for people and for machines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servable.server.observe import configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("servable")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.delenv("NO_COLOR", raising=False)

    def say(message: str, *args: object, stream: io.StringIO | None = None, **options: Any) -> str:
        stream = stream or io.StringIO()
        exc_info = options.pop("exc_info", None)
        logger = options.pop("logger", "servable.core")
        level = options.pop("at", logging.INFO)
        configure(stream=stream, **options)
        logging.getLogger(logger).log(level, message, *args, exc_info=exc_info)
        return stream.getvalue()

    return say


def test_a_line_has_time_level_and_message(logged: Callable[..., str]) -> None:
    assert logged("digits %d: %s", 2, "available")[8:] == " INFO    digits 2: available\n"


def test_a_terminal_gets_colours_and_a_pipe_does_not(logged: Callable[..., str]) -> None:
    assert "\x1b[32mINFO" in logged("x", stream=Terminal())
    assert "\x1b" not in logged("x")


def test_no_color_is_respected(logged: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b" not in logged("x", stream=Terminal())


def test_a_name_from_a_request_can_not_forge_a_line(logged: Callable[..., str]) -> None:
    assert logged("no model %s", "a\n12:00:00 ERROR x\x1b[2J").count("\n") == 1


@pytest.mark.parametrize(
    ("options", "appears"),
    [
        ({"at": logging.DEBUG}, False),
        ({"at": logging.DEBUG, "level": "debug"}, True),
        ({"at": logging.INFO, "level": "warning"}, False),
        ({"at": logging.INFO, "logger": "uvicorn.access"}, False),
        ({"at": logging.WARNING, "logger": "uvicorn.error"}, True),
    ],
)
def test_the_level_is_ours_and_libraries_only_warn(
    logged: Callable[..., str], options: dict[str, Any], appears: bool
) -> None:
    assert bool(logged("x", **options)) is appears


def test_json_is_one_object_a_line(logged: Callable[..., str]) -> None:
    entry = json.loads(logged("no model %s", 'a\n"b"\udcff', log_format="json"))

    assert entry.pop("ts").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "servable.core",
        "message": 'no model a\n"b"\\udcff',
    }


def test_one_of_several_workers_says_which_it_is(logged: Callable[..., str]) -> None:
    assert logged("m 5: unloading", worker=2)[8:] == " INFO    worker 2: m 5: unloading\n"
    entry = json.loads(logged("m 5: unloading", worker=2, log_format="json"))
    assert (entry["worker"], entry["message"]) == (2, "m 5: unloading")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_fault_brings_its_traceback(logged: Callable[..., str], log_format: str) -> None:
    try:
        raise KeyError("missing")
    except KeyError as error:
        text = logged("failed", log_format=log_format, exc_info=error)

    assert "Traceback" in text
    assert "KeyError" in text
