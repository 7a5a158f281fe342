"""Make the certificates of the TLS tests: one authority, a server and a client. Needs openssl.

They are worth nothing: whoever has this repository has their keys.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

OUT = Path(__file__).parent / "tls"
DAYS = "36500"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def key(name: str) -> str:
    path = str(OUT / f"{name}.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return path


def main() -> None:
    OUT.mkdir(exist_ok=True)
    ca, ca_key = str(OUT / "ca.pem"), key("ca")
    subject = ("-subj", "/CN=Servable test authority")
    openssl("req", "-x509", "-new", "-key", ca_key, "-days", DAYS, "-out", ca, *subject)
    for name in ("server", "client"):
        with tempfile.TemporaryDirectory() as folder:
            request, extra = f"{folder}/request", Path(folder, "extra")
            extra.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            openssl("req", "-new", "-key", key(name), "-subj", f"/CN={name}", "-out", request)
            openssl(
                *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-days", DAYS),
                *("-CAserial", f"{folder}/serial", "-CAcreateserial"),
                *("-extfile", str(extra), "-out", str(OUT / f"{name}.pem")),
            )
    Path(ca_key).unlink()


if __name__ == "__main__":
    main()
