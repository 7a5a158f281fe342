"""The `servable` command and its verbs.

Modules of verbs import only click and the standard library at the top, so that
`servable --help` answers at once.
"""

from __future__ import annotations

import os

import click

from servable import __version__
from servable.cli.asking import metadata, reload, status
from servable.cli.bench import bench
from servable.cli.checkpoint import checkpoint
from servable.cli.classify import classify, regress
from servable.cli.demo import demo
from servable.cli.doctor import doctor
from servable.cli.edit import edit
from servable.cli.model_server import model_server
from servable.cli.models_verbs import models
from servable.cli.predict import predict
from servable.cli.run import run
from servable.cli.scan import scan
from servable.cli.serve import serve
from servable.cli.show import show
from servable.cli.warmup import warmup


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="servable", message="%(prog)s %(version)s")
def main() -> None:
    """Serve TensorFlow SavedModels in production, without TensorFlow.

    \b
    Examples:
      servable demo                                  see it work, with models that ship with it
      servable serve ./models/ranker                 serve the versions in a folder
      servable doctor ./models/ranker                would it be served, how, and how exactly
      servable predict localhost:8500 ranker --input 'x=[[1, 2]]'

    `servable VERB --help` says more about each verb.
    """
    # Requests run in threads of their own, so numpy's matrix products need none. It reads
    # these when it is imported, which no verb does before this line. Measured: an LSTM at
    # batch 16 beside other work took 8.0 ms with two threads and 2.9 ms with one.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    # gRPC's library, which reads this likewise, tells the log of every handshake that fails.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


for _verb in (
    serve,
    model_server,
    demo,
    doctor,
    predict,
    classify,
    regress,
    status,
    metadata,
    reload,
    models,
    warmup,
    bench,
    show,
    run,
    scan,
    edit,
    checkpoint,
):
    main.add_command(_verb)
