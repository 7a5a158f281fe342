"""A client that speaks TLS to a port that does not, or the other way round, is told so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from servable.cli.main import main
from servable.client import GrpcClient, RestClient, Retries, connect
from servable.client.settings import Tls
from servable.demos import digits
from servable.errors import DeadlineExceeded, Unavailable
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.filesystem import Latest, WatchedModel
from servable.transport import options

FILES = Path(__file__).parents[1] / "data" / "tls"
CA = Tls(ca=FILES / "ca.pem")
ONCE = Retries(attempts=1)

Ports = dict[tuple[str, bool], int]
"""The protocol, and whether it is spoken over TLS, to a port."""


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    tls = options.Tls((FILES / "server.key").read_text(), (FILES / "server.pem").read_text())
    models = (WatchedModel("digits", digits.MODELS, Latest(1)),)
    found: Ports = {}
    secured = ServerConfig(
        models,
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        grpc=options.GrpcOptions(tls=tls),
        rest=options.RestOptions(tls=tls),
    )
    with (
        Server(secured) as over_tls,
        Server(ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)) as plain,
    ):
        for server, secure in ((over_tls, True), (plain, False)):
            assert server.wait_until_settled(60)
            assert server.grpc_port
            assert server.rest_port
            found["grpc", secure] = server.grpc_port
            found["rest", secure] = server.rest_port
        yield found


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize(
    ("secure", "tls", "told"),
    [
        (True, None, "This port speaks TLS"),
        (False, CA, "This port does not speak TLS"),
        (True, Tls(), "not one that is trusted"),
    ],
)
def test_a_client_is_told(
    ports: Ports, protocol: str, secure: bool, tls: Tls | None, told: str
) -> None:
    address = f"localhost:{ports[protocol, secure]}"
    kind = GrpcClient if protocol == "grpc" else RestClient
    with (
        kind(address, tls=tls, retries=ONCE, timeout=5) as client,
        pytest.raises((Unavailable, DeadlineExceeded)) as caught,
    ):
        client.predict("digits", {"image": np.zeros((1, 8, 8, 1), np.float32)})
    assert told in caught.value.hint
    with pytest.raises(Unavailable) as caught:
        connect(address, tls=tls, timeout=5)
    assert told in caught.value.hint


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_command_line_names_its_own_option(ports: Ports, protocol: str) -> None:
    secured = f"127.0.0.1:{ports[protocol, True]}"
    refused = CliRunner().invoke(main, ["status", secured, "digits", "--timeout", "5"])
    assert (refused.exit_code, "--tls" in refused.stderr) == (1, True)
    plain = f"127.0.0.1:{ports[protocol, False]}"
    refused = CliRunner().invoke(main, ["status", plain, "digits", "--tls"])
    assert (refused.exit_code, "without --tls" in refused.stderr) == (1, True)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_right_client_is_answered(ports: Ports, protocol: str) -> None:
    for secure, tls in ((True, CA), (False, None)):
        with connect(f"localhost:{ports[protocol, secure]}", tls=tls, timeout=20) as client:
            assert [s.state for s in client.status("digits", version=2)] == ["AVAILABLE"]
