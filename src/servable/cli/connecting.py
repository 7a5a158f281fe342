"""What verbs that talk to a server share: their options, and the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from servable.cli.failure import USAGE, reported

if TYPE_CHECKING:
    from servable.client import Client
    from servable.client.probe import Protocol

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """How a command reaches its server, as its options said."""

    address: str
    protocol: Protocol
    timeout: float
    ca: str | None
    certificate: str | None
    key: str | None
    secure: bool

    def open(self) -> Client:
        """Return a client.

        Raises:
            Failure: the address or the certificates can not be used.
            ServableError: nothing answers there.
        """
        from servable.client import Tls, connect
        from servable.client.probe import UNIX, split_address

        tls = None
        with reported(USAGE):
            if not self.address.startswith(UNIX):
                split_address(self.address)
            if self.secure or self.ca or self.certificate or self.key:
                tls = Tls(self.ca, self.certificate, self.key)
        return connect(self.address, protocol=self.protocol, timeout=self.timeout, tls=tls)


def connecting(command: CommandT) -> CommandT:
    """Add the server's address and the options that say how to reach it to a command.

    The command gets them together, as its first argument `connection`.
    """

    def gathered(
        address: str,
        protocol: Protocol,
        timeout: float,
        ca: str | None,
        cert: str | None,
        key: str | None,
        tls: bool,
        **rest: Any,
    ) -> Any:
        return command(Connection(address, protocol, timeout, ca, cert, key, tls), **rest)

    gathered.__name__, gathered.__doc__ = command.__name__, command.__doc__
    decorated: Any = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    # click keeps a function's parameters here, the last first: the address comes before what
    # the command asks for, and the options come after it.
    decorated.__click_params__ += getattr(command, "__click_params__", [])
    result: CommandT = click.argument("address", metavar="HOST:PORT")(decorated)
    return result


def versioned(command: CommandT) -> CommandT:
    """Add --version and --label to a command."""
    label = click.option("--label", help="Version label to ask, such as stable.")
    version = click.option("--version", type=int, help="Version to ask; the newest by default.")
    decorated: CommandT = version(label(command))
    return decorated


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on one line.")

_OPTIONS = [
    click.option(
        "--protocol",
        type=click.Choice(["auto", "grpc", "rest"]),
        default="auto",
        show_default=True,
        help="auto asks the port what it speaks.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        show_default=True,
        help="Seconds to wait for an answer.",
    ),
    click.option("--tls", is_flag=True, help="Use TLS, and trust what this system trusts."),
    click.option("--ca", type=_FILE, help="Use TLS, and trust the authorities in this PEM file."),
    click.option("--cert", type=_FILE, help="Certificate of this client, for mutual TLS."),
    click.option("--key", type=_FILE, help="The key of --cert."),
]
