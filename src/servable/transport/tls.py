"""Transport security: keys and certificates, checked before a port is opened with them."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from servable.errors import InvalidArgument
from servable.transport.options import Tls


def server_context(tls: Tls, protocol: str = "http/1.1") -> ssl.SSLContext:
    """Return what a Python server needs to speak TLS 1.2 or newer.

    Args:
        tls: keys and certificates.
        protocol: what is spoken inside; "h2" is HTTP/2. Clients are told, if they ask.

    Raises:
        InvalidArgument: the key or a certificate can not be read, they do not belong
            together, or clients shall be verified and it is not said by whom.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    context.sslobject_class = _Alerting
    _load_chain(context, tls)
    if tls.client_verify:
        if not tls.custom_ca:
            raise InvalidArgument(
                "client_verify is set, but custom_ca is empty",
                hint="Name the certificates that clients' certificates are signed with.",
            )
        context.verify_mode = ssl.CERT_REQUIRED
    if tls.custom_ca:
        try:
            context.load_verify_locations(cadata=tls.custom_ca)
        except (ssl.SSLError, ValueError) as error:
            raise _unreadable("custom_ca", error) from error
    return context


_OF_CERTIFICATES = frozenset({"PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED"})


class _Alerting(ssl.SSLObject):
    """One end of a connection whose peer is told why the handshake failed.

    asyncio and uvloop send what OpenSSL wants to send when it wants to read, but not when
    it gives up, and close the connection; the client then sees nothing but its end. So
    giving up is announced as a wish to read, once.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if error.reason not in _OF_CERTIFICATES:
                # What does not speak TLS at all gets no alert, and may wait for ever for one.
                raise
            self._failure = error
            raise ssl.SSLWantReadError(*error.args) from error


def _load_chain(context: ssl.SSLContext, tls: Tls) -> None:
    # ssl reads keys from files only; mkstemp's are the owner's alone to read.
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{tls.server_key}\n{tls.server_cert}\n")
        # Without a password of its own, ssl would ask the terminal for one.
        context.load_cert_chain(name, password="")
    except (ssl.SSLError, ValueError) as error:
        raise _unreadable("server_key and server_cert", error) from error
    finally:
        Path(name).unlink()


def _unreadable(what: str, error: Exception) -> InvalidArgument:
    reason = getattr(error, "reason", None) or str(error)
    return InvalidArgument(
        f"{what} can not be used for TLS: {reason}",
        hint="Give the contents of PEM files, -----BEGIN lines and all, and the key without a "
        "password.",
    )
