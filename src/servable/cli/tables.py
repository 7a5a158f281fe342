"""Tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings; long cells are never cut, so that a pipe gets them whole."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        widest = sum(max(map(len, column), default=0) + 4 for column in zip(*cells, strict=True))
        console = Console(width=max(80, widest + sum(map(len, headings))))
    console.print(table)
