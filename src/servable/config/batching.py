"""Parameters of batches that wait for more requests: TensorFlow Serving's BatchingParameters.

The fields, defaults, rules and texts are the peer's (behaviour reference 1.11 and 6.3).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from servable.config.text import read
from servable.cpus import cpu_budget
from servable.errors import InvalidArgument
from servable.pb import config_pb2

PER_MODEL_FILE = "batching_params.pbtxt"
"""Where a version folder has parameters of its own."""


@dataclass(frozen=True, slots=True)
class BatchingParameters:
    """How requests to a version become batches.

    Attributes:
        max_batch_size: rows that one request may have; without splitting, also those of
            a batch.
        timeout_micros: how long a batch waits for more rows, from its first request on.
        max_enqueued_batches: batches of a version's signature that may wait; then
            requests are refused with UNAVAILABLE.
        threads: batches that run at the same time, of all versions together; by default
            one for each CPU that this process may use.
        allowed_batch_sizes: ascending sizes; a batch is padded up to the next one. Empty
            for any size.
        pad_variable_length: make rows of different shapes alike by padding them.
        split_large: cut requests that are larger than what is computed at once.
        max_execution_batch_size: what is computed at once if so.
    """

    max_batch_size: int = 1000
    timeout_micros: int = 0
    max_enqueued_batches: int = 10
    threads: int = field(default_factory=cpu_budget)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length: bool = False
    split_large: bool = False
    max_execution_batch_size: int = 0

    @property
    def execution_size(self) -> int:
        """Rows of a batch that takes no more."""
        return (
            self.max_execution_batch_size or self.max_batch_size
            if self.split_large
            else self.max_batch_size
        )


def check_threads(parameters: BatchingParameters) -> None:
    """Refuse what the peer refuses when it starts; raises InvalidArgument."""
    if parameters.threads < 1:
        raise InvalidArgument(f"num_batch_threads must be positive; was {parameters.threads}")


def checked(parameters: BatchingParameters) -> BatchingParameters:
    """Return parameters as they are used for a model.

    Raises:
        InvalidArgument: they break a rule; the peer finds out when a model is loaded.
    """
    size, execution = parameters.max_batch_size, parameters.execution_size
    if not parameters.split_large:
        enqueued = max(parameters.max_enqueued_batches, 1)
        parameters = replace(parameters, max_enqueued_batches=enqueued)
    if size < 1:
        raise InvalidArgument(f"input_batch_size_limit must be positive; was {size}")
    if parameters.timeout_micros < 0:
        raise InvalidArgument(
            f"batch_timeout_micros must be non-negative; was {parameters.timeout_micros}"
        )
    if parameters.max_enqueued_batches < 1:
        raise InvalidArgument(
            f"max_enqueued_batches must be positive; was {parameters.max_enqueued_batches}"
        )
    if execution > size or execution < 1:
        raise InvalidArgument(
            "When enable_large_batch_splitting is true, input_batch_size_limit must be "
            f"greater than or equal to max_execution_batch_size.1{size}{execution}"
        )
    allowed = parameters.allowed_batch_sizes
    if allowed and allowed[-1] != size:
        raise InvalidArgument(
            "Last entry in allowed_batch_sizes must match max_batch_size; "
            f"last entry was {allowed[-1]}; expected {size}"
        )
    # Their order is checked nowhere by the peer.
    return replace(parameters, allowed_batch_sizes=tuple(sorted(allowed)))


def read_parameters(path: str | os.PathLike[str]) -> BatchingParameters:
    """Return the parameters that a file holds; what it leaves out has its default.

    Raises:
        ServableError: the file can not be read, or holds something else.
    """
    message = read(config_pb2.BatchingParameters, path)
    given = BatchingParameters()
    for given_as, name in (
        ("max_batch_size", "max_batch_size"),
        ("batch_timeout_micros", "timeout_micros"),
        ("max_enqueued_batches", "max_enqueued_batches"),
        ("num_batch_threads", "threads"),
        ("max_execution_batch_size", "max_execution_batch_size"),
        ("enable_large_batch_splitting", "split_large"),
    ):
        if message.HasField(given_as):
            given = replace(given, **{name: getattr(message, given_as).value})
    return replace(
        given,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length=message.pad_variable_length_inputs,
    )


def of_version(path: Path) -> BatchingParameters | None:
    """Return the parameters that a version folder has of its own; None if it has none."""
    file = path / PER_MODEL_FILE
    return read_parameters(file) if file.exists() else None
