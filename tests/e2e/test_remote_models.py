"""Models in a bucket, served by the command as it is installed."""

from __future__ import annotations

import re
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs", reason="needs s3fs: pip install s3fs")
pytest.importorskip(
    "moto.moto_server.threaded_moto_server", reason="needs moto: pip install 'moto[server]'"
)

from servable.client import connect
from servable.demos import digits
from servable.tensors import Array

LOCAL = ("--host", "127.0.0.1", "--grpc-port", "0", "--rest-port", "0", "--poll-seconds", "0.1")

Start = Callable[..., Any]


class Bucket:
    """A storage that speaks S3, on a port of this machine."""

    def __init__(self) -> None:
        import s3fs
        from moto.moto_server.threaded_moto_server import ThreadedMotoServer

        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._files = s3fs.S3FileSystem(
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            key="test",
            secret="test",
            skip_instance_cache=True,
        )
        self._name = f"models-{uuid.uuid4().hex[:8]}"  # moto's buckets outlive its server
        self.url = f"s3://{self._name}/digits"
        self._files.mkdir(self._name)

    def put(self, version: int) -> None:
        self._files.put(
            str(digits.MODELS / str(version)), f"{self._name}/digits/{version}", recursive=True
        )

    def empty(self) -> None:
        self._files.rm(f"{self._name}/digits", recursive=True)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.server.stop()


def version_served(address: str, images: Array) -> int | None:
    with connect(address) as client:
        return client.predict("digits", {"image": images[:1]}).version


def test_a_model_in_a_bucket_is_served_and_so_is_its_next_version(
    servable: Start, bucket: Bucket, images: Array, tmp_path: Path
) -> None:
    bucket.put(1)
    command = servable(
        "serve",
        bucket.url,
        *LOCAL,
        "--remote-cache-dir",
        str(tmp_path / "cache"),
        env=bucket.environment,
    )
    grpc, _ = command.ports()
    command.wait_for(rf"{bucket.url}/1: fetched")
    command.wait_for(r"digits 1: available")
    assert version_served(grpc, images) == 1

    bucket.put(2)
    command.wait_for(r"digits 2: available")
    assert version_served(grpc, images) == 2

    bucket.empty()
    command.wait_for(rf"filesystem access error: .*{bucket.url}: not found")
    assert version_served(grpc, images) == 2
    assert command.stop(signal.SIGTERM) == 0
    assert not any("Traceback" in line for line in command.log)


def test_a_start_without_the_bucket_serves_what_the_cache_has(
    servable: Start, bucket: Bucket, images: Array, tmp_path: Path
) -> None:
    bucket.put(2)
    arguments = ("serve", bucket.url, *LOCAL, "--remote-cache-dir", str(tmp_path))
    command = servable(*arguments, env=bucket.environment)
    command.wait_for(r"digits 2: available")
    command.stop(signal.SIGKILL)
    bucket.server.stop()

    command = servable(*arguments, env=bucket.environment)
    grpc, _ = command.ports()
    command.wait_for(r"digits: the storage can not be reached, so what the cache has")
    command.wait_for(r"digits 2: available")
    assert version_served(grpc, images) == 2


def test_the_flags_of_tensorflow_serving_take_a_url(
    servable: Start, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put(2)
    command = servable(
        "model_server",
        "--model_name=digits",
        f"--model_base_path={bucket.url}",
        f"--remote_cache_dir={tmp_path / 'cache'}",
        f"--grpc_socket_path={tmp_path / 'socket'}",
        "--port=0",
        env=bucket.environment,
    )
    command.wait_for(r"Running gRPC ModelServer at UNIX socket")
    assert any(re.search("digits 2: available", line) for line in command.log)


def test_a_config_file_takes_a_url(
    servable: Start, bucket: Bucket, images: Array, tmp_path: Path
) -> None:
    bucket.put(1)
    bucket.put(2)
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "digits" model_platform: "tensorflow" '
        f'base_path: "{bucket.url}" model_version_policy {{ specific {{ versions: 1 }} }} }} }}'
    )
    command = servable(
        "serve",
        "--config",
        str(config),
        *LOCAL,
        "--remote-cache-dir",
        str(tmp_path / "cache"),
        env=bucket.environment,
    )
    grpc, _ = command.ports()
    command.wait_for(r"digits 1: available")
    assert version_served(grpc, images) == 1


def test_a_scheme_that_nothing_reads_ends_the_command(servable: Start) -> None:
    command = servable("serve", "nowhere://models/digits", *LOCAL)
    assert command.process.wait(60) == 2
    command.wait_for(r"File system scheme 'nowhere' not implemented")
