"""BatchingParameters as TensorFlow Serving reads and checks them."""

from __future__ import annotations

from pathlib import Path

import pytest

from servable.config.batching import (
    BatchingParameters,
    check_threads,
    checked,
    of_version,
    read_parameters,
)
from servable.errors import InvalidArgument


def test_a_file_says_all_fields(tmp_path: Path) -> None:
    file = tmp_path / "batching.pbtxt"
    file.write_text(
        "max_batch_size { value: 128 } batch_timeout_micros { value: 1000 }\n"
        "max_enqueued_batches { value: 64 } num_batch_threads { value: 3 }\n"
        'thread_pool_name { value: "pool" } allowed_batch_sizes: [32, 128]\n'
        "pad_variable_length_inputs: true enable_large_batch_splitting { value: true }\n"
        "max_execution_batch_size { value: 64 }\n"
    )
    assert read_parameters(file) == BatchingParameters(128, 1000, 64, 3, (32, 128), True, True, 64)


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    file = tmp_path / "batching.pbtxt"
    file.write_text("max_batch_size { value: 2 }")
    read = read_parameters(file)
    assert (read.max_batch_size, read.timeout_micros, read.max_enqueued_batches) == (2, 0, 10)
    assert read.threads >= 1


def test_a_version_may_have_parameters_of_its_own(tmp_path: Path) -> None:
    assert of_version(tmp_path) is None
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 5 }")
    found = of_version(tmp_path)
    assert found is not None
    assert found.max_batch_size == 5


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (BatchingParameters(0), "input_batch_size_limit must be positive; was 0"),
        (BatchingParameters(1, -1), "batch_timeout_micros must be non-negative; was -1"),
        (
            BatchingParameters(1, 0, 0, split_large=True),
            "max_enqueued_batches must be positive; was 0",
        ),
        (
            BatchingParameters(2, split_large=True, max_execution_batch_size=3),
            "When enable_large_batch_splitting is true, input_batch_size_limit must be "
            "greater than or equal to max_execution_batch_size.123",
        ),
        (
            BatchingParameters(4, allowed_batch_sizes=(1, 2)),
            "Last entry in allowed_batch_sizes must match max_batch_size; "
            "last entry was 2; expected 4",
        ),
    ],
)
def test_parameters_that_break_a_rule_are_refused_in_the_peers_words(
    parameters: BatchingParameters, text: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        checked(parameters)
    assert caught.value.message == text


def test_no_threads_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="num_batch_threads must be positive; was 0"):
        check_threads(BatchingParameters(threads=0))


def test_no_enqueued_batches_are_one_without_splitting() -> None:
    assert checked(BatchingParameters(max_enqueued_batches=0)).max_enqueued_batches == 1
