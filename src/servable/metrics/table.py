"""Every metric there is: the peer's, and our own. The docs are made from this table."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """The kinds of metric that Prometheus knows; the values are its words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, described.

    Attributes:
        name: as Prometheus shows it.
        help: what it counts, in a sentence.
        labels: names, in the order in which values are given.
        buckets: a histogram's upper bounds, ascending; the last one, infinity, is
            left out.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _growing(first: float, factor: float, count: int) -> tuple[float, ...]:
    return tuple(first * factor**i for i in range(count))


PEER_MICROSECONDS = _growing(10, 1.8, 33)
"""TensorFlow Serving's bounds for latencies, in microseconds."""

SECONDS = tuple(float(f"{m}e{e}") for e in range(-5, 2) for m in (1, 2.5, 5))
"""From 10 microseconds to 50 seconds."""

_REQUEST = ("model", "version", "api", "transport")

REQUEST_COUNT = Metric(
    ":tensorflow:serving:request_count",
    Kind.COUNTER,
    "Requests, by the name of their status. Over gRPC only Predict, Classify and Regress. Names "
    "of models that there never were are counted as (unknown).",
    ("model_name", "status"),
)
REQUEST_LATENCY = Metric(
    ":tensorflow:serving:request_latency",
    Kind.HISTOGRAM,
    "Microseconds that requests took which were answered well.",
    ("model_name", "API", "entrypoint"),
    PEER_MICROSECONDS,
)
RUNTIME_LATENCY = Metric(
    ":tensorflow:serving:runtime_latency",
    Kind.HISTOGRAM,
    "Microseconds that the model computed for them.",
    ("model_name", "API", "runtime"),
    PEER_MICROSECONDS,
)

EXAMPLE_COUNT_TOTAL = Metric(
    ":tensorflow:serving:request_example_count_total",
    Kind.COUNTER,
    "Examples of MultiInference requests; the peer counts those of no other.",
    ("model",),
)
EXAMPLE_COUNTS = Metric(
    ":tensorflow:serving:request_example_counts",
    Kind.HISTOGRAM,
    "Examples of each such request.",
    ("model",),
    _growing(1, 2, 15),
)
WARMUP_LATENCY = Metric(
    ":tensorflow:serving:model_warmup_latency",
    Kind.HISTOGRAM,
    "Microseconds that replaying a version's warmup records took, unless the model refused one.",
    ("model_path", "status"),
    PEER_MICROSECONDS,
)
WARMUP_RECORDS = Metric(
    ":tensorflow:serving:model_warmup_records_read",
    Kind.COUNTER,
    "Warmup records that were read.",
    ("model_path", "status"),
)
REQUEST_LOG_COUNT = Metric(
    ":tensorflow:serving:request_log_count",
    Kind.COUNTER,
    "Requests that were chosen to be logged, by what became of that: OK when they are written, "
    "RESOURCE_EXHAUSTED when too many were waiting, UNAVAILABLE when the disk refused.",
    ("model_name", "status_code"),
)

PEER = (
    WARMUP_LATENCY,
    WARMUP_RECORDS,
    REQUEST_COUNT,
    EXAMPLE_COUNT_TOTAL,
    EXAMPLE_COUNTS,
    REQUEST_LATENCY,
    REQUEST_LOG_COUNT,
    RUNTIME_LATENCY,
)
"""TensorFlow Serving's metrics (behaviour reference, section 6.5), in the order shown."""

REQUESTS = Metric(
    "servable_requests_total",
    Kind.COUNTER,
    "Requests that were answered, by status code. Names of models that there never were are "
    "counted as (unknown).",
    (*_REQUEST, "code"),
)
REQUEST_SECONDS = Metric(
    "servable_request_seconds",
    Kind.HISTOGRAM,
    "From the arrival of the whole request to its answer, whatever the answer.",
    _REQUEST,
    SECONDS,
)
PHASE_SECONDS = Metric(
    "servable_request_phase_seconds",
    Kind.HISTOGRAM,
    "Parts of that: queue (waiting for a thread, or for others to be computed with), decode "
    "(reading and checking), island (parts of the graph that were compiled as a whole), host (the "
    "rest of the model), encode (writing the answer). Only requests that came as far as the model.",
    (*_REQUEST, "phase"),
    SECONDS,
)
REQUEST_BYTES = Metric(
    "servable_request_bytes_total",
    Kind.COUNTER,
    "Bytes of request messages, without headers.",
    _REQUEST,
)
RESPONSE_BYTES = Metric(
    "servable_response_bytes_total",
    Kind.COUNTER,
    "Bytes of answers, without headers, before compression.",
    _REQUEST,
)
BATCHES = Metric(
    "servable_batches_total",
    Kind.COUNTER,
    "Runs of a model for requests that waited to be computed with others, by what ended the wait.",
    ("model", "version", "reason"),
)
BATCH_ROWS = Metric(
    "servable_batch_rows",
    Kind.HISTOGRAM,
    "Rows that were computed at once in such a run, without padding.",
    ("model", "version"),
    _growing(1, 2, 11),
)
BATCH_PADDING = Metric(
    "servable_batch_padding_rows_total",
    Kind.COUNTER,
    "Rows that were added to make up batches of allowed sizes.",
    ("model", "version"),
)
IN_FLIGHT = Metric(
    "servable_requests_in_flight",
    Kind.GAUGE,
    "Requests that run, or wait for a thread.",
    ("transport",),
)
SHED = Metric(
    "servable_requests_shed_total",
    Kind.COUNTER,
    "Requests that were refused unread because too many were waiting.",
    ("transport",),
)
BROKEN = Metric(
    "servable_http_refused_total",
    Kind.COUNTER,
    "HTTP connections that were ended before they made a request, or in the middle of one.",
    ("reason",),
)
LOADS = Metric(
    "servable_loads_total",
    Kind.COUNTER,
    "Versions that were loaded (outcome OK), or that ended before they were: then the "
    "outcome is the code of the error.",
    ("model", "outcome"),
)
LOAD_SECONDS = Metric(
    "servable_load_seconds",
    Kind.HISTOGRAM,
    "From the beginning of a version's first attempt to load until it was available.",
    ("model",),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
)
AVAILABLE = Metric(
    "servable_version_available",
    Kind.GAUGE,
    "1 for each version that can be asked.",
    ("model", "version"),
)
SWAPS = Metric(
    "servable_swaps_total",
    Kind.COUNTER,
    "Times that another version became the one that requests without a version get.",
    ("model",),
)
_COPIES = ("model", "shadow", "version")

TRAFFIC_REQUESTS = Metric(
    "servable_traffic_requests_total",
    Kind.COUNTER,
    "Requests that named no version of a model with traffic rules, by the version they got.",
    ("model", "version"),
)
SHADOW_REQUESTS = Metric(
    "servable_shadow_requests_total",
    Kind.COUNTER,
    "Copies of requests for a shadow, the version that runs them, by the version that answered "
    "and by what became of them: compared, failed, dropped or unavailable.",
    (*_COPIES, "outcome"),
)
SHADOW_ROWS = Metric(
    "servable_shadow_rows_total",
    Kind.COUNTER,
    "Rows of the outputs that were compared: those that agree within the tolerance, and those "
    "that differ.",
    (*_COPIES, "outcome"),
)
SHADOW_SECONDS = Metric(
    "servable_shadow_seconds",
    Kind.HISTOGRAM,
    "How long the same request took the version that answered (role answer) and the shadow.",
    (*_COPIES, "role"),
    SECONDS,
)
SHADOW_DIFFERENCE = Metric(
    "servable_shadow_difference",
    Kind.HISTOGRAM,
    "The largest difference of two numbers in the outputs of each request that was compared.",
    _COPIES,
    tuple(float(f"1e{e}") for e in range(-8, 3)),
)
CPU_SECONDS = Metric("process_cpu_seconds_total", Kind.COUNTER, "CPU time of the process.")
MEMORY = Metric(
    "process_resident_memory_bytes", Kind.GAUGE, "Memory of the process; on Linux only."
)
START_TIME = Metric(
    "process_start_time_seconds", Kind.GAUGE, "When the server started, in seconds since 1970."
)
WORKERS = Metric(
    "servable_workers",
    Kind.GAUGE,
    "Processes whose numbers are on this page: fewer than there are if some did not answer.",
)
WORKER_REQUESTS = Metric(
    "servable_worker_requests_total",
    Kind.COUNTER,
    "Requests that each worker has answered, with --workers.",
    ("worker",),
)

OWN: Sequence[Metric] = (
    REQUESTS,
    REQUEST_SECONDS,
    PHASE_SECONDS,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    BATCHES,
    BATCH_ROWS,
    BATCH_PADDING,
    IN_FLIGHT,
    SHED,
    BROKEN,
    LOADS,
    LOAD_SECONDS,
    AVAILABLE,
    SWAPS,
    TRAFFIC_REQUESTS,
    SHADOW_REQUESTS,
    SHADOW_ROWS,
    SHADOW_SECONDS,
    SHADOW_DIFFERENCE,
    CPU_SECONDS,
    MEMORY,
    START_TIME,
    WORKERS,
    WORKER_REQUESTS,
)
"""Our own, in the order shown. Seconds and bytes, as Prometheus advises."""
