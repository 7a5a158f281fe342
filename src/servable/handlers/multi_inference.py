"""MultiInference: several signatures of one model, asked about the same tf.Examples.

The order of the checks and their texts are the peer's (behaviour reference 2.7). It looks at
every task before it runs any, and runs the graph once for all of them. Here signatures run one
after another, and those that read and write the same tensors of the graph run once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from servable.contracts import ModelProvider, ModelSpec, Servable
from servable.errors import InvalidArgument, Unimplemented
from servable.handlers import hints
from servable.handlers.classify import CLASSIFY, Classes
from servable.handlers.dtypes import check_fed
from servable.handlers.examples import (
    INPUT,
    Answer,
    Examples,
    Method,
    checked_fetches,
    explaining,
    vector,
)
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.handlers.regress import REGRESS
from servable.handlers.resolve import acquire
from servable.tensors import Array, Signature

Result: TypeAlias = Classes | Array
"""What CLASSIFY gives, or what REGRESS gives."""

METHODS: Mapping[str, Method[Result]] = {method.name: method for method in (CLASSIFY, REGRESS)}


@dataclass(frozen=True, slots=True)
class Task:
    """One of the questions.

    Attributes:
        spec: the model and the signature. Only the first task's version or label counts.
        method_name: what to use the signature for, whatever it was stored for.
    """

    spec: ModelSpec
    method_name: str


@dataclass(frozen=True, slots=True)
class _Job:
    """A task that was checked."""

    name: str
    signature: Signature
    method: Method[Result]
    fetches: Sequence[str]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors of the graph that it reads and writes."""
        return (
            self.signature.inputs[INPUT].name,
            *(self.signature.outputs[alias].name for alias in self.fetches),
        )


def multi_inference(
    models: ModelProvider,
    tasks: Sequence[Task],
    examples: Examples,
    *,
    check_method_name: bool = False,
) -> Sequence[Answer[Result]]:
    """Answer every task, in order. May block for as long as the model computes.

    Args:
        models: what is served.
        tasks: the questions; there must be one.
        examples: the model's input, element by element.
        check_method_name: see `examples.infer`.

    Raises:
        ServableError: with the peer's code and text for a request that is at fault,
            or what the servable raised. One bad task fails them all.
    """
    with acquire(models, tasks[0].spec if tasks else ModelSpec("")) as handle:
        servable = handle.servable
        jobs: dict[str, _Job] = {}
        for task in tasks:
            if not task.spec.name:
                raise InvalidArgument(
                    "Found ModelSpec with an empty model name.",
                    hint="Every task names the model that the first one names.",
                )
            if task.spec.name != tasks[0].spec.name:
                raise InvalidArgument(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
                    hint="Send one request for each model.",
                )
            job = _checked(servable, task, jobs, check_method_name=check_method_name)
            jobs[job.name] = job
        batch = vector(examples())
        return [
            Answer(handle.id, job.name, _result(servable, job, outputs, len(batch)))
            for job, outputs in _run(servable, list(jobs.values()), batch)
        ]


def _checked(
    servable: Servable, task: Task, seen: Mapping[str, _Job], *, check_method_name: bool
) -> _Job:
    """Return what there is to do for a task."""
    name = task.spec.signature_name or DEFAULT_SIGNATURE
    if name in seen:
        raise InvalidArgument(
            f"Duplicate evaluation of signature: {name}", hint="Name each signature once."
        )
    if name not in servable.signatures:
        raise InvalidArgument(
            f"Requested signature not found in model graph: {name}",
            hint=hints.cut(hints.no_such_signature(name, servable.signatures)),
        )
    method = METHODS.get(task.method_name)
    if method is None:
        raise Unimplemented(
            f"Unsupported signature method_name: {task.method_name}",
            hint=f"Set the task's method_name to {' or '.join(METHODS)}.",
        )
    signature = servable.signatures[name]
    with explaining(method, servable, name):
        fetches = checked_fetches(method, signature, check_method_name=check_method_name)
    return _Job(name, signature, method, fetches)


def _run(
    servable: Servable, jobs: Sequence[_Job], batch: Array
) -> Sequence[tuple[_Job, Mapping[str, Array]]]:
    """Return every job with its outputs by alias."""
    fed = {job.tensors[0]: (job.signature.inputs[INPUT], batch) for job in jobs}
    try:
        check_fed(list(fed.values()))
    except InvalidArgument as error:
        error.hint = "Every task's signature must take serialized tf.Examples (string)."
        raise
    computed: dict[tuple[str, ...], Sequence[Array]] = {}
    for job in jobs:
        if job.tensors not in computed:
            with explaining(job.method, servable, job.name):
                outputs = servable.run(job.name, {INPUT: batch}, job.fetches)
            computed[job.tensors] = [outputs[alias] for alias in job.fetches if alias in outputs]
    return [(job, dict(zip(job.fetches, computed[job.tensors], strict=False))) for job in jobs]


def _result(servable: Servable, job: _Job, outputs: Mapping[str, Array], count: int) -> Result:
    with explaining(job.method, servable, job.name):
        return job.method.result(job.signature, outputs, count)
