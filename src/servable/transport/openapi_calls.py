"""The OpenAPI document of the models that can be asked at this moment."""

from __future__ import annotations

import servable
from servable.contracts import ModelProvider
from servable.errors import NotFound
from servable.handlers.classify import CLASSIFY
from servable.handlers.examples import suitable_signatures
from servable.handlers.regress import REGRESS
from servable.wire import openapi


def document(models: ModelProvider) -> bytes:
    """Return the document as JSON. Models without an available version are left out."""
    pages = []
    for name in models.names():
        versions = [s.id.version for s in models.status(name) if s.state == "AVAILABLE"]
        try:
            with models.acquire(name) as handle:
                signatures = handle.servable.signatures
        except NotFound:
            continue
        pages.append(
            openapi.ModelPage(
                name,
                versions,
                signatures,
                suitable_signatures(CLASSIFY, signatures),
                suitable_signatures(REGRESS, signatures),
            )
        )
    return openapi.document(servable.__version__, pages)
