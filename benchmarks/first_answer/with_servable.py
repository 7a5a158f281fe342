"""Load a SavedModel with this package, answer one request, say so, and end.

Arguments: the version's folder and a .npy file of images.
"""

import json
import sys
from pathlib import Path

import numpy as np

from servable.servables.saved_model import SavedModelLoader

loader = SavedModelLoader(Path(sys.argv[1]))
loader.load()
images = np.load(sys.argv[2])
answer = loader.servable().run("serving_default", {"image": images}, ["probabilities"])
print(json.dumps(answer["probabilities"].tolist()), flush=True)
sys.stdin.read()  # stay until the parent has read how much memory this took
