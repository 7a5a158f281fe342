"""`make bench` knows every benchmark there is, and the page of results has a place for each."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = (ROOT / "scripts/dev").read_text()
PAGE = (ROOT / "benchmarks/results_page.py").read_text()


def test_each_benchmark_can_be_named_and_has_its_table() -> None:
    named = re.search(r'^benchmarks="([a-z_ ]+)"$', SCRIPT, re.MULTILINE)
    assert named is not None
    names = set(named[1].split())
    assert {path.stem for path in (ROOT / "benchmarks/results").glob("*.json")} <= names
    for name in names:
        assert (ROOT / f"benchmarks/{name}.py").exists()
        assert f'"{name}",' in PAGE
        assert re.search(rf"^ +{name} +\S", SCRIPT, re.MULTILINE), f"{name} is not in the help"
