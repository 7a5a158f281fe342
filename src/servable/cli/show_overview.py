"""The overview of a SavedModel, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from servable.servables.overview import Graph, Overview
from servable.tensors import Signature, TensorSpec

_MOST_FILES = 8
_MOST_OPS = 12


def document(found: Overview) -> dict[str, Any]:
    """Everything as JSON."""
    return {
        "path": str(found.path),
        "files": dict(found.files),
        "variables": found.variables,
        "parameters": found.parameters,
        "meta_graphs": [
            {
                "tags": list(graph.tags),
                "engine": graph.engine or None,
                "reason": graph.reason or None,
                "nodes": graph.nodes,
                "functions": graph.functions,
                "ops": dict(graph.ops),
                "signatures": {name: _signature(s) for name, s in graph.signatures.items()},
            }
            for graph in found.graphs
        ],
        "warnings": [asdict(warning) for warning in found.warnings],
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {alias: _spec(spec) for alias, spec in signature.inputs.items()},
        "outputs": {alias: _spec(spec) for alias, spec in signature.outputs.items()},
        "defaults": sorted(signature.defaults),
        "method_name": signature.method_name,
    }


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {
        "dtype": spec.dtype.name if spec.dtype else None,
        "shape": None if spec.shape is None else list(spec.shape),
        "name": spec.name,
    }


def print_overview(found: Overview) -> None:
    """Print tables on standard output."""
    # Names come from the model, and may hold what rich would take for markup.
    console = Console(markup=False, highlight=False, soft_wrap=True)
    total = sum(found.files.values())
    console.print(
        f"{found.path}: {size_text(total)}, {found.variables} variables with "
        f"{found.parameters:,} numbers",
        style="bold",
    )
    console.print(_files(found.files))
    for graph in found.graphs:
        _print_graph(console, graph)
    for warning in found.warnings:
        console.print(f"{warning.rule}: {warning.where}: {warning.detail}", style="yellow")


def size_text(count: float) -> str:
    """A number of bytes as people write it."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _files(files: Mapping[str, int]) -> Table:
    largest = sorted(files.items(), key=lambda item: (-item[1], item[0]))
    table = _table("", "file", "size")
    for name, size in largest[:_MOST_FILES]:
        table.add_row(name, size_text(size))
    if len(largest) > _MOST_FILES:
        rest = largest[_MOST_FILES:]
        table.add_row(f"and {len(rest)} more", size_text(sum(size for _, size in rest)))
    return table


def _print_graph(console: Console, graph: Graph) -> None:
    table = _table(f"tags: {' '.join(graph.tags) or '(none)'}", "signature", "", "name", "tensor")
    for name, signature in graph.signatures.items():
        shown = name
        for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
            for alias, spec in specs.items():
                optional = ", optional" if alias in signature.defaults else ""
                encoded = "" if spec.name else " (not a plain tensor)"
                table.add_row(shown, side, alias, f"{spec}{optional}{encoded}")
                shown = ""
        if shown:
            table.add_row(name, "", "", "no inputs and outputs")
    console.print(table)
    console.print(f"{graph.nodes} nodes, {graph.functions} functions: {_ops(graph.ops)}")
    if graph.engine == "native":
        console.print("engine: native", style="green")
    else:
        console.print(f"engine: {graph.engine or 'none'}; {graph.reason}", style="yellow")
    console.print()


def _ops(ops: Mapping[str, int]) -> str:
    most = list(ops.items())
    text = ", ".join(f"{count} {op}" for op, count in most[:_MOST_OPS])
    return text + (f" and {len(most) - _MOST_OPS} other ops" if len(most) > _MOST_OPS else "")


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
