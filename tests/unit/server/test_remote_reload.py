"""Which URLs a stranger's reload may bring."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="needs fsspec")

from servable.config.models import ModelConfig
from servable.errors import InvalidArgument
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.filesystem import WatchedModel
from servable.sources.remote.options import RemoteOptions
from servable.sources.remote.path import RemotePath

CONFIGURED = "memory://models/configured"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(
        ServerConfig(
            (WatchedModel("m", RemotePath(CONFIGURED)),),
            grpc_port=None,
            rest_port=None,
            remote=RemoteOptions(cache_dir=tmp_path),
        )
    )


@pytest.mark.parametrize("url", ["http://169.254.169.254/m", "memory://models/other"])
def test_a_request_can_not_make_the_server_fetch_from_anywhere(server: Server, url: str) -> None:
    with pytest.raises(InvalidArgument, match=f"Model x requests base path {url}") as caught:
        server.models.reload([ModelConfig("x", url)])
    assert "config file" in caught.value.hint
    assert server.models.configured() == {}


def test_a_request_can_repeat_what_is_configured(server: Server) -> None:
    server.models.reconfigure(server.config.models, {})
    server.models.reload([ModelConfig("m", CONFIGURED)])
    assert [str(m.base_path) for m in server.models.configured().values()] == [CONFIGURED]  # type: ignore[union-attr] # no bare ones here
