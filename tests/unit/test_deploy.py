"""The image and the manifest say what the server does."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from servable.cli.model_server_flags import FLAGS
from servable.cli.model_server_parse import parse

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with the image's scripts and a `servable` that says how it was called."""
    for script in ("tf_serving_entrypoint.sh", "tensorflow_model_server"):
        (tmp_path / script).symlink_to(DEPLOY / script)
    fake = tmp_path / "servable"
    fake.write_text('#!/bin/sh\necho $$\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, int, list[str]]:
    """The process that was started, the one that `servable` ran in, and its arguments."""
    with subprocess.Popen(
        [folder / "tf_serving_entrypoint.sh", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": f"{folder}:{os.defpath}", **environment},
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    own, *given = said.splitlines()
    return process.pid, int(own), given


ALWAYS = ["model_server", "--port=8500", "--rest_api_port=8501"]


@pytest.mark.parametrize(
    ("environment", "name", "base_path"),
    [
        ({}, "model", "/models/model"),
        ({"MODEL_NAME": "ranker"}, "ranker", "/models/ranker"),
        ({"MODEL_NAME": "a b", "MODEL_BASE_PATH": "/mnt/my models"}, "a b", "/mnt/my models/a b"),
    ],
)
def test_the_environment_names_the_model(
    bin_folder: Path, environment: dict[str, str], name: str, base_path: str
) -> None:
    _, _, given = run(bin_folder, **environment)

    assert given == [*ALWAYS, f"--model_name={name}", f"--model_base_path={base_path}"]


def test_arguments_are_further_flags_and_win(bin_folder: Path) -> None:
    _, _, given = run(bin_folder, "--model_config_file=/models/a b.config", "--port=9000")

    line = parse(given[1:])
    assert line.text("model_config_file") == "/models/a b.config"
    assert line.number("port") == 9000
    assert line.unknown == []


def test_the_server_gets_the_signals_because_it_is_the_process_itself(bin_folder: Path) -> None:
    started, servable, _ = run(bin_folder)

    assert started == servable


@pytest.mark.parametrize("script", ["tf_serving_entrypoint.sh", "tensorflow_model_server"])
def test_scripts_can_be_executed(script: str) -> None:
    assert os.access(DEPLOY / script, os.X_OK)


def test_the_image_has_the_layout_that_deployments_expect() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert "EXPOSE 8500 8501" in text
    assert "MODEL_NAME=model MODEL_BASE_PATH=/models" in text
    assert 'ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]' in text
    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path


def test_the_manifest_uses_flags_that_there_are() -> None:
    text = (DEPLOY / "kserve-runtime.yaml").read_text()
    flags = re.findall(r"^ +- --(\w+)=", text, re.MULTILINE)

    assert len(flags) == 5
    assert set(flags) <= set(FLAGS)
