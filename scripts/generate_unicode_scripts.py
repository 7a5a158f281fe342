"""Write src/servable/ops/unicode_scripts.json: the script of every code point, in runs.

Run it with a Python that has TensorFlow, whose answers are the source: the numbers are
ICU's, and which characters have a script depends on the version of Unicode.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

TABLE = Path(__file__).resolve().parent.parent / "src/servable/ops/unicode_scripts.json"


def main() -> None:
    """Ask for every code point and store where the answer changes."""
    scripts = tf.raw_ops.UnicodeScript(input=np.arange(0x110000, dtype=np.int32)).numpy()
    starts = np.flatnonzero(np.diff(scripts, prepend=scripts[:1] - 1))
    table = {"starts": starts.tolist(), "scripts": scripts[starts].tolist()}
    TABLE.write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
