"""How models are computed, as far as people may choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from servable.engine.backends.openvino_threads import Hint
from servable.ops.limits import MOST_STEPS

Precision: TypeAlias = Literal["f32", "bf16", "f16"]
"""What float32 arithmetic may be rounded to where the processor is faster at it."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of the native engine, for all models of a server.

    Attributes:
        precision: f32, or bf16 or f16, which are used where the processor has them.
        compile_cache: a folder that keeps compiled islands from one start to the next;
            None for none. It holds a copy of the weights of every model.
        most_steps: bound on the steps of one loop in a graph.
        threads: CPUs that the compiled parts of one model keep busy at most; None for those
            that the process may use.
        hint: how these are divided among requests.
    """

    precision: Precision = "f32"
    compile_cache: Path | None = None
    most_steps: int = MOST_STEPS
    threads: int | None = None
    hint: Hint = "auto"


DEFAULTS = EngineSettings()
