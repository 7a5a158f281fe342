"""What `servable doctor` found, as JSON for machines and as tables for people."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from servable.cli.doctor_checks import Comparison, Sample
from servable.servables.diagnosis import Compiled, Diagnosis
from servable.tensors import Signature, TensorSpec

_MOST_FILES = 12
_MOST_OPS = 12


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out.

    Attributes:
        name: what the server would call the model.
        samples: by signature; None where JSON has no form for the inputs.
        comparisons: empty if nothing was compared.
        comparison_note: why nothing was.
    """

    name: str
    diagnosis: Diagnosis
    samples: Mapping[str, Sample | None]
    comparisons: tuple[Comparison, ...] = ()
    comparison_note: str = ""


def document(report: Report, *, trace: bool) -> dict[str, Any]:
    """Everything as JSON; the passes and the plans only with `trace`."""
    found = report.diagnosis
    error = found.error
    return {
        "path": str(found.path),
        "model": report.name,
        "would_serve": error is None,
        "error": None
        if error is None
        else {"code": error.code.name, "message": error.message, "hint": error.hint},
        "format": found.format.name.lower() if found.format else None,
        "engine": found.engine or None,
        "load_seconds": found.load_seconds,
        "estimated_bytes": found.estimated_bytes,
        "files": dict(found.files),
        "tag_sets": [list(tags) for tags in found.tag_sets],
        "unsupported": [
            {"op": r.op, "node": r.node, "reason": r.reason or "outside the list"}
            for r in found.refusals
        ],
        "signatures": {
            name: _signature(name, signature, report, trace)
            for name, signature in found.signatures.items()
        },
        "comparison_note": report.comparison_note,
        "comparisons": [_comparison(c) for c in report.comparisons],
    }


def _signature(name: str, signature: Signature, report: Report, trace: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "inputs": {alias: _spec(spec) for alias, spec in signature.inputs.items()},
        "outputs": {alias: _spec(spec) for alias, spec in signature.outputs.items()},
        "method_name": signature.method_name,
    }
    compiled = report.diagnosis.compiled.get(name)
    if compiled is not None:
        made["islands"] = [{"engine": e, "ops": dict(ops)} for e, ops in compiled.islands]
        made["host_ops"] = dict(compiled.host)
        if trace:
            made["passes"] = [
                {"name": p.name, "nodes": p.nodes, "changed": p.changed} for p in compiled.passes
            ]
            made["plan"] = compiled.plan.splitlines()
    sample = report.samples.get(name)
    if sample is not None:
        made["sample"] = {
            "body": sample.body,
            "complete": sample.complete,
            "error": sample.error or None,
        }
    return made


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {
        "dtype": spec.dtype.name if spec.dtype else None,
        "shape": None if spec.shape is None else list(spec.shape),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "signature": comparison.signature,
        "rows": comparison.rows,
        "note": comparison.note or None,
        "outputs": {
            d.output: {
                "absolute": d.absolute if math.isfinite(d.absolute) else None,
                "relative": d.relative if math.isfinite(d.relative) else None,
                "problem": d.problem or None,
            }
            for d in comparison.differences
        },
    }


def show(report: Report, *, trace: bool) -> None:
    """Print tables on standard output."""
    # Names come from the model, and may hold what rich would take for markup.
    console = Console(markup=False, highlight=False, soft_wrap=True)
    found = report.diagnosis
    kind = found.format.name.lower() if found.format else "no model"
    console.print(f"{found.path}: {kind}, {_size(sum(found.files.values()))}", style="bold")
    for tags in found.tag_sets:
        console.print(f"tags      {' '.join(tags) or '(none)'}")
    console.print(f"memory    about {_size(found.estimated_bytes)}, estimated from the files")
    console.print(_files(found.files))
    for name, signature in found.signatures.items():
        _show_signature(console, name, signature, report, trace)
    _show_refusals(console, found)
    _show_comparisons(console, report)
    _show_verdict(console, found)


def _files(files: Mapping[str, int]) -> Table:
    table = _table("", "file", "size")
    largest = sorted(files.items(), key=lambda item: (-item[1], item[0]))
    for name, size in largest[:_MOST_FILES]:
        table.add_row(name, _size(size))
    if len(files) > _MOST_FILES:
        rest = largest[_MOST_FILES:]
        table.add_row(f"and {len(rest)} more", _size(sum(size for _, size in rest)))
    return table


def _show_signature(
    console: Console, name: str, signature: Signature, report: Report, trace: bool
) -> None:
    table = _table(f"signature {name}", "", "name", "dtype and shape")
    for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for alias, spec in specs.items():
            table.add_row(side, alias, str(spec))
    console.print(table)
    compiled = report.diagnosis.compiled.get(name)
    if compiled is not None:
        _show_compiled(console, compiled, trace)
    _show_sample(console, report.samples.get(name), report.name)
    console.print()


def _show_compiled(console: Console, compiled: Compiled, trace: bool) -> None:
    for number, (engine, ops) in enumerate(compiled.islands, 1):
        console.print(f"island {number}  {sum(ops.values())} nodes by {engine}: {_counts(ops)}")
    if compiled.host:
        nodes = sum(compiled.host.values())
        console.print(f"host      {nodes} nodes one by one: {_counts(compiled.host)}")
    if not compiled.islands and not compiled.host:
        console.print("nothing to compute: the outputs are inputs or constants")
    if trace:
        for step in compiled.passes:
            console.print(str(step))
        console.print(compiled.plan)


def _show_sample(console: Console, sample: Sample | None, name: str) -> None:
    if sample is None:
        console.print("JSON has no form for these inputs; ask over gRPC")
    elif not sample.complete:
        console.print(f"a request body looks like this: {sample.body}")
    elif sample.error:
        console.print(f"a request has this form: {sample.body}")
        console.print(f"but with these values it is refused: {sample.error}")
    else:
        url = f"http://localhost:8501/v1/models/{name}:predict"
        console.print(f"curl -d {shlex.quote(sample.body)} {shlex.quote(url)}")


def _show_refusals(console: Console, found: Diagnosis) -> None:
    if not found.refusals:
        return
    counts = Counter(r.op for r in found.refusals)
    table = _table(
        f"{len(found.refusals)} nodes that the native engine does not run ({_counts(counts)})",
        "op",
        "node",
        "reason",
    )
    for refusal in found.refusals:
        table.add_row(refusal.op, refusal.node, refusal.reason or "outside the list")
    console.print(table)


def _show_comparisons(console: Console, report: Report) -> None:
    if report.comparison_note:
        console.print(report.comparison_note)
    if not report.comparisons:
        return
    headings = ("signature", "rows", "output", "largest difference", "relative to the largest")
    table = _table("against the reference", *headings)
    for comparison in report.comparisons:
        rows = "" if comparison.rows is None else str(comparison.rows)
        if comparison.note:
            table.add_row(comparison.signature, rows, "", comparison.note, "")
        for d in comparison.differences:
            gaps = (d.problem, "") if d.problem else (f"{d.absolute:.3g}", f"{d.relative:.3g}")
            table.add_row(comparison.signature, rows, d.output, *gaps)
    console.print(table)


def _show_verdict(console: Console, found: Diagnosis) -> None:
    if found.error is None:
        console.print(
            f"would be served, by the engine {found.engine}; loaded in {found.load_seconds:.2f} s",
            style="green",
        )
        return
    console.print(f"would not be served: {found.error.status_text}", style="red")
    if found.error.hint:
        console.print(f"hint: {found.error.hint}", style="yellow")


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _counts(ops: Mapping[str, int]) -> str:
    most = sorted(ops.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{count} {op}" for op, count in most[:_MOST_OPS])
    return text + (f" and {len(most) - _MOST_OPS} other ops" if len(most) > _MOST_OPS else "")


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
