"""Opening ports, with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path

from servable.errors import FailedPrecondition, InvalidArgument, PermissionDenied, ServableError


def listen(host: str, port: int, *, flag: str) -> socket.socket:
    """Return a listening TCP socket.

    Args:
        host: an address of this machine; `::` takes IPv4 too where the system can.
        port: 0 for any free one.
        flag: the command line's name for the port, for hints.

    Raises:
        FailedPrecondition: the port is taken.
        PermissionDenied: ports this low need more rights.
        InvalidArgument: the host is no address of this machine.
    """
    if not 0 <= port < 2**16:
        raise _port_error(host, port, flag, ValueError("a port is a number below 65536"))
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=1024,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise _port_error(host, port, flag, error) from error


def _port_error(host: str, port: int, flag: str, error: Exception) -> ServableError:
    match getattr(error, "errno", 0):
        case errno.EADDRINUSE:
            return FailedPrecondition(
                f"port {port} on {host} is taken",
                hint=f"Stop the program that listens there, or choose another port with {flag}.",
            )
        case errno.EACCES:
            return PermissionDenied(
                f"port {port} on {host} may not be opened",
                hint=f"Choose a port above 1023 with {flag}.",
            )
        case _:
            return InvalidArgument(
                f"port {port} on {host} can not be opened: {error}",
                hint=f"Choose an address of this machine, and a port with {flag}.",
            )


def free_socket_path(path: str) -> None:
    """Make sure that a UNIX socket can be made at `path`; gRPC replaces one nobody listens on.

    Raises:
        FailedPrecondition: a server listens there, or it is something else than a socket.
        InvalidArgument: there can be no socket of that name here.
    """
    hint = "Choose another path for the socket."
    if not hasattr(socket, "AF_UNIX"):
        raise InvalidArgument("this system has no UNIX sockets", hint="Listen on a port instead.")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        except OSError as error:
            raise InvalidArgument(f"{path} can be no UNIX socket: {error}", hint=hint) from error
        else:
            raise FailedPrecondition(f"a server listens on {path} already", hint=hint)
    file = Path(path)
    if file.exists() and not file.is_socket():
        raise FailedPrecondition(f"{path} is there, and is no socket", hint=hint)
    if not file.absolute().parent.is_dir():
        raise InvalidArgument(f"{path} has no folder to be in", hint=hint)
