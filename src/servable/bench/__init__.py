"""A load generator for servers with TensorFlow Serving's API, over gRPC and REST.

    from servable.bench import Settings, run

    result = run(Settings("localhost:8500", "digits", clients=(1, 8), duration=5))
    result.levels[0].measurements[0].throughput

`run` starts processes of its own; it may be called from any program. See docs/bench.md.
"""

from servable.bench.histogram import Histogram
from servable.bench.measure import Step, run
from servable.bench.results import (
    Comparison,
    Level,
    Measurement,
    OutputDifference,
    Ratio,
    Result,
    Round,
)
from servable.bench.settings import Settings, Unfit

__all__ = [
    "Comparison",
    "Histogram",
    "Level",
    "Measurement",
    "OutputDifference",
    "Ratio",
    "Result",
    "Round",
    "Settings",
    "Step",
    "Unfit",
    "run",
]
