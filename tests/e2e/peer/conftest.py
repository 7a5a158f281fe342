"""The servers that the checklist of TensorFlow Serving's own suites is gone through with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from peer_process import SERVED, VERSION, Peer, listing, start, wait_until_ready


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Peer]]:
    """Two servers with one config file: the second polls it, and has flags that change answers."""
    folder = tmp_path_factory.mktemp("peer")
    bases = {}
    for name, model in SERVED.items():
        bases[name] = folder / "bases" / name
        shutil.copytree(model, bases[name] / f"{VERSION:08}")
    config = folder / "models.config"
    config.write_text(listing(bases))
    plain = start(folder / "plain", config)
    flagged = start(
        folder / "flagged",
        config,
        "--model_config_file_poll_wait_seconds=1",
        "--enable_serialization_as_tensor_content",
        "--enable_signature_method_name_check",
        "--hints=false",
    )
    try:
        wait_until_ready(plain)
        wait_until_ready(flagged)
        yield plain, flagged
    finally:
        for peer in (plain, flagged):
            peer.process.kill()
            peer.process.wait()


@pytest.fixture(scope="session")
def peer(peers: tuple[Peer, Peer]) -> Peer:
    return peers[0]
