"""What this repository promises about itself: its pages, its locks and its shape."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import servable
from servable.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "servable"
LONGEST_FILE = 500
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("runtime", "dev", "parity")


def sources() -> list[Path]:
    """Every hand-written module of the package."""
    return [f for f in sorted(PACKAGE.rglob("*.py")) if not f.name.endswith("_pb2.py")]


def page(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_version_is_the_same_everywhere_and_the_changelog_begins_with_it() -> None:
    newest = re.search(r"^## (\S+)", page("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert PROJECT["project"]["version"] == servable.__version__ == newest[1]


def test_no_source_file_is_too_long_to_read() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in sources()}
    assert lengths
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_the_architecture_page_has_a_paragraph_for_every_folder() -> None:
    folders = {f.parent.relative_to(PACKAGE).as_posix() for f in sources()} - {"."}
    described = set(re.findall(r"^\*\*`([\w/]+)/`\*\*", page("docs/architecture.md"), re.MULTILINE))
    assert folders - described == set(), "not described"
    assert described - folders == set(), "described, but not there"


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def test_nothing_in_the_package_but_the_engine_of_that_name_imports_tensorflow() -> None:
    culprits = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources()
        if file != PACKAGE / "servables" / "tensorflow_model.py"  # and it only when it loads
        for name in imported_names(ast.parse(file.read_text()))
        if name.partition(".")[0] in {"tensorflow", "keras", "tf_keras"}
    }
    assert culprits == set()


def test_an_import_by_name_would_be_noticed() -> None:
    hidden = "def f():\n    from tensorflow.python import x\n    import_module('keras')\n"
    assert set(imported_names(ast.parse(hidden))) == {"tensorflow.python", "keras"}


@pytest.mark.skipif(find_spec("grpc_tools") is None, reason="needs grpcio-tools")
def test_generated_modules_are_what_the_protos_give() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_pb.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_list_of_ops_in_the_docs_is_the_register() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_docs.py", "--check"], check=False
    )
    assert checked.returncode == 0, "docs/ops.md is stale: make format writes it"


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_command_is_shown_in_the_readme_or_the_docs(verb: str) -> None:
    pages = [page("README.md"), *(f.read_text() for f in sorted((ROOT / "docs").glob("*.md")))]
    assert any(f"servable {verb}" in text for text in pages)


def test_every_make_verb_does_something() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", page("Makefile"), re.MULTILINE)
    assert phony is not None
    explained = subprocess.run(
        ["sh", ROOT / "scripts" / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout
    known = set(re.findall(r"^  (\w+) {2,}\S", explained, re.MULTILINE))
    assert set(phony[1].split()) - {"help"} == known


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host_and_no_path(lock: str) -> None:
    text = page(f"requirements/{lock}.txt")
    assert "--hash=sha256:" in text
    assert re.findall(r"\S*(?:://|--index|--find-links|@ file|/home/|/root/)\S*", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked(lock: str) -> None:
    wanted = list(PROJECT["project"]["dependencies"])
    wanted += PROJECT["dependency-groups"]["build"]
    groups = PROJECT["dependency-groups"]
    for entry in groups.get(lock, []):
        wanted += groups[entry["include-group"]] if isinstance(entry, dict) else [entry]
    pinned = set(re.findall(r"^([\w.-]+)==", page(f"requirements/{lock}.txt"), re.MULTILINE))
    names = {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in wanted}
    assert names - pinned == set()


def test_the_changelog_gives_a_reason_for_every_dependency() -> None:
    names = {re.split(r"[<>=;\[ ]", d)[0] for d in PROJECT["project"]["dependencies"]}
    reasons = set(re.findall(r"^  - `([\w.-]+)`: \w", page("CHANGELOG.md"), re.MULTILINE))
    assert names == reasons
