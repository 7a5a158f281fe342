"""`servable serve --workers`: several processes instead of one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from servable.cli.failure import USAGE, Failure, reported
from servable.cli.signals import stop_requested

if TYPE_CHECKING:
    from servable.server.config import Model, ServerConfig
    from servable.server.observe import LogFormat

log = logging.getLogger("servable.serve")

Announce = Callable[["ServerConfig", int, int, Iterable["Model"], int], None]


def serve_together(
    config: ServerConfig, workers: int, log_level: str, log_format: LogFormat, announce: Announce
) -> None:
    """Serve with several workers until told to stop.

    Raises:
        Failure: the ports can not be had or shared, or the workers can not serve.
    """
    from servable.cpus import cpu_budget
    from servable.transport.ports import can_share, reserve
    from servable.workers.messages import Job
    from servable.workers.supervisor import CanNotStart, Supervisor

    if not can_share():
        raise Failure(
            "this system can not divide the connections to a port among processes",
            hint="Serve with one process: --workers 1.",
            exit_code=USAGE,
        )
    if config.grpc.socket_path:
        raise Failure(
            "several workers can not share a UNIX socket",
            hint="Leave --grpc-socket out, or serve with --workers 1.",
            exit_code=USAGE,
        )
    with stop_requested() as stop, ExitStack() as reserved:
        ports = []
        with reported():
            for port, flag in (
                (config.grpc_port, "--grpc-port"),
                (config.rest_port, "--rest-port"),
            ):
                owned = reserved.enter_context(closing(reserve(config.host, port or 0, flag=flag)))
                ports.append(owned.getsockname()[1])
        shared = replace(
            config,
            grpc_port=ports[0],
            rest_port=ports[1],
            settings=replace(config.settings, threads=max(1, cpu_budget() // workers)),
            grpc=replace(config.grpc, reuse_port=True),
            rest=replace(config.rest, reuse_port=True),
        )
        job = Job(shared, 1, log_level, log_format)
        supervisor = Supervisor(
            job, workers, lambda models: announce(shared, ports[0], ports[1], models, workers)
        )
        try:
            with reported():
                supervisor.run(stop)
        except Failure as failure:
            if isinstance(failure.__cause__, CanNotStart) and not failure.__cause__.configured:
                failure.exit_code = USAGE  # type: ignore[misc]  # as in Failure itself
            raise
    log.info("stopped")
