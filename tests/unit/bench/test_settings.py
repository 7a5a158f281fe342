from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.bench import Settings, Unfit
from servable.bench.processes import processes_by_default
from servable.errors import InvalidArgument


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"clients": ()}, "no clients and no rate"),
        ({"clients": (1, 0)}, "clients"),
        ({"clients": (5000,)}, "clients"),
        ({"rates": (0.0,)}, "a rate"),
        ({"rates": (float("nan"),)}, "a rate"),
        ({"duration": 0.0}, "duration"),
        ({"duration": float("inf")}, "duration"),
        ({"requests": 0}, "requests"),
        ({"warmup": -1.0}, "warmup"),
        ({"rounds": 0}, "rounds"),
        ({"batch_size": 0}, "batch size"),
        ({"connections": 0}, "connections"),
        ({"processes": 65}, "processes"),
        ({"timeout": float("nan")}, "timeout"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"tolerance": float("inf")}, "tolerance"),
        ({"seed": -1}, "seed must be from 0"),
        ({"seed": 2**63}, "seed must be from 0"),
        ({"version": -1}, "version must be from 0"),
        ({"traffic": Path("t"), "batch_size": 5}, "beside recorded traffic"),
        ({"traffic": Path("t"), "signature": "other"}, "beside recorded traffic"),
        ({"version": 1, "label": "stable"}, "both named"),
        ({"against": "https://a:1"}, "plain connections"),
        ({"against": "unix:/a", "protocol": "rest"}, "UNIX sockets"),
        ({"inputs": {"x": np.zeros(1)}, "traffic": Path("t")}, "both inputs and recorded"),
    ],
)
def test_settings_that_can_not_work_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        Settings("localhost:8500", "m", **given)


@pytest.mark.parametrize(
    ("given", "protocols", "fits"),
    [
        ({"body": "npy"}, {"grpc"}, False),
        ({"body": "npy"}, {"grpc", "rest"}, True),
        ({"body": "json"}, {"rest"}, True),
        ({"connections": 3}, {"rest"}, False),
        ({"connections": 3, "rates": (1.0,)}, {"rest"}, True),
        ({"connections": 3}, {"grpc"}, True),
        ({}, {"grpc"}, True),
    ],
)
def test_what_no_server_would_get_is_refused(
    given: dict[str, Any], protocols: set[str], fits: bool
) -> None:
    made = Settings("localhost:8500", "m", **given)
    with nullcontext() if fits else pytest.raises(Unfit):
        made.check_fits(protocols)


def test_two_servers_are_measured_in_three_rounds_and_one_in_one() -> None:
    assert Settings("a:1", "m").rounds_made == 1
    assert Settings("a:1", "m", against="b:1").rounds_made == 3
    assert Settings("a:1", "m", against="b:1", rounds=2).rounds_made == 2


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (8, 4), (128, 8)])
def test_half_the_cores_are_left_to_the_server(cores: int, processes: int) -> None:
    assert processes_by_default(cores) == processes
