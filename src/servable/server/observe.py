"""What the server says about itself: log lines for people, or JSON for machines."""

from __future__ import annotations

import datetime
import logging
import os
import sys
from typing import Literal, TextIO

import orjson

LogFormat = Literal["text", "json"]

_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
# A name that came with a request must not be able to start a line of its own.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {
    ord("\n"): "\\n",
    ord("\t"): "\\t",
}


def configure(
    level: str = "info",
    log_format: LogFormat = "text",
    stream: TextIO | None = None,
    worker: int | None = None,
) -> None:
    """Send the log of the whole process to one stream; replaces what was set up before.

    Our own messages appear from `level` up, other libraries' from WARNING up.

    Args:
        level: debug, info, warning or error.
        log_format: text is one short line for each message, coloured on a terminal
            unless NO_COLOR is set; json is one object for each line, with ts
            (UTC, ISO 8601), level, logger, message and, after a fault, traceback.
        stream: standard error by default.
        worker: the number of this process among several that write to the stream; said in
            every line, in JSON as worker. None if it is the only one, or looks after them.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    colour = stream.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(
        JsonFormatter(worker) if log_format == "json" else TextFormatter(worker, colour=colour)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("servable").setLevel(level.upper())


class TextFormatter(logging.Formatter):
    """Time, level and message on one line; a traceback below it."""

    def __init__(self, worker: int | None = None, *, colour: bool) -> None:
        super().__init__()
        self._speaker = "" if worker is None else f"worker {worker}: "
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for one record."""
        moment = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = f"{record.levelname:<7}"
        if self._colour:
            moment = f"\x1b[2m{moment}\x1b[0m"
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        line = f"{moment} {level} {self._speaker}{record.getMessage().translate(_VISIBLE)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object on one line."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._speaker = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """Return the object for one record."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry = {
            "ts": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # Lone surrogates (a file name that is no UTF-8) would make orjson refuse the line.
        safe = {key: value.encode("utf-8", "backslashreplace") for key, value in entry.items()}
        shown = {key: value.decode() for key, value in safe.items()}
        return orjson.dumps({**shown, **self._speaker}).decode()
