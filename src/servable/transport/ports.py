"""Opening ports, with errors that say what to do."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys
from pathlib import Path

from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    ServableError,
    Unimplemented,
)

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h

_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of TCP's flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it
)
"""A packet filter, of instructions of Linux' `struct sock_filter`."""


def listen(host: str, port: int, *, flag: str, reuse_port: bool = False) -> socket.socket:
    """Return a listening TCP socket.

    Args:
        host: an address of this machine; `::` takes IPv4 too where the system can.
        port: 0 for any free one.
        flag: the command line's name for the port, for hints.
        reuse_port: share the port with others of this user who do so too; the system
            divides connections among them.

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
            reuse_port=reuse_port,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise _port_error(host, port, flag, error) from error


def reserve(host: str, port: int, *, flag: str) -> socket.socket:
    """Return a socket that owns a port for those who share it, and takes no connection itself.

    As long as it is open, only processes of this user that ask to share the port can have it.
    Arguments and errors are those of `listen`.

    Raises:
        Unimplemented: this system can not divide connections among processes.
    """
    if not can_share():
        raise Unimplemented(
            "this system can not divide the connections to a port among processes",
            hint="Serve with one process: --workers 1.",
        )
    if port:
        # Another server that shares its port would let us in; it does not let a lone one.
        listen(host, port, flag=flag).close()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            both = host == "::" and socket.has_dualstack_ipv6()
            reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise _port_error(host, port, flag, error) from error
    return reserved


def can_share() -> bool:
    """Whether several processes can listen on one port, each for its part of the connections."""
    return hasattr(socket, "SO_REUSEPORT") and sys.platform in ("linux", "darwin")


def refuse_connections(listener: socket.socket) -> None:
    """Let nobody begin to connect any more, without losing those who wait to be accepted.

    Linux can drop the packets that ask for a connection: a client that sends one again, a
    second later, finds the port closed. Elsewhere this does nothing.
    """
    if sys.platform == "linux":
        steps = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
        buffer = ctypes.create_string_buffer(steps, len(steps))
        program = struct.pack("HP", len(_NO_SYN), ctypes.addressof(buffer))
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


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
