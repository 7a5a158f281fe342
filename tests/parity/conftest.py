"""The zoo's cache, and the table at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

COLUMNS = ("model", "nodes", "islands", "host steps", "calls", "max error")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--zoo-cache",
        type=Path,
        help="folder that keeps exported models and TensorFlow's answers between runs",
    )


@pytest.fixture(scope="session")
def zoo_cache(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept: Path | None = pytestconfig.getoption("zoo_cache", None)
    return kept or tmp_path_factory.mktemp("zoo")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == "zoo" and report.when == "call"
    ]
    if not rows:
        return
    table = [COLUMNS, *sorted(rows)]
    widths = [max(len(str(row[i])) for row in table) for i in range(len(COLUMNS))]
    terminalreporter.section("whole models against TensorFlow")
    for row in table:
        cells = (
            str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        terminalreporter.write_line("  ".join(cells))
