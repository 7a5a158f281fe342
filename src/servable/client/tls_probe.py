"""Why a connection failed, where TLS is the reason: one side speaks it and the other does not."""

from __future__ import annotations

import socket
import ssl

from servable.client.settings import Tls

SECONDS = 2.0
"""How long looking may take: a call has failed already."""

WANTED = (
    "This port speaks TLS: connect with tls=Tls(), or Tls(ca=FILE) for an authority of your own; "
    "on the command line with --tls, or --ca FILE."
)
UNWANTED = (
    "This port does not speak TLS: connect without tls and https://; on the command line without "
    "--tls, --ca and --cert."
)
UNTRUSTED = (
    "The server's certificate is not one that is trusted for this name: name who signed it with "
    "Tls(ca=FILE), on the command line --ca FILE, and use the host that it was made for."
)


def reason(error: BaseException) -> str:
    """Return a hint for a handshake that failed, "" for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UNTRUSTED
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return UNWANTED
    return ""


def mismatch(address: str, tls: Tls | None) -> str:
    """Connect once more and look; return a hint, "" if TLS is not why a call failed. Blocks.

    Args:
        address: `host:port`, or something else, for which there is no hint.
        tls: what the call was made with.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isascii() and port.isdigit()) or host.startswith("unix"):
        return ""
    context = _trusting() if tls is None else tls.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    name = (tls.server_name if tls else None) or host
    try:
        with (
            socket.create_connection((host, int(port)), timeout=SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            return "" if tls else WANTED
    except (OSError, OverflowError) as error:
        return reason(error) if tls else ""


def _trusting() -> ssl.SSLContext:
    """A context that takes any certificate: nothing is sent over the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
