"""The `servable` command and its verbs.

Modules of verbs import only click and the standard library at the top, so that
`servable --help` answers at once.
"""

from __future__ import annotations

import click

from servable import __version__
from servable.cli.demo import demo
from servable.cli.predict import predict
from servable.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="servable", message="%(prog)s %(version)s")
def main() -> None:
    """Serve TensorFlow SavedModels in production, without TensorFlow.

    \b
    Examples:
      servable demo                                  see it work, with models that ship with it
      servable serve ./models/ranker                 serve the versions in a folder
      servable predict localhost:8500 ranker --input 'x=[[1, 2]]'

    `servable VERB --help` says more about each verb.
    """


for _verb in (serve, demo, predict):
    main.add_command(_verb)
