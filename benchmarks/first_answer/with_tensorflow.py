"""Load a SavedModel with TensorFlow, answer one request, say so, and end.

Arguments: the version's folder and a .npy file of images.
"""

import json
import sys

import numpy as np
import tensorflow as tf

answer = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
images = np.load(sys.argv[2])
probabilities = answer(image=tf.constant(images))["probabilities"].numpy()
print(json.dumps(probabilities.tolist()), flush=True)
sys.stdin.read()  # stay until the parent has read how much memory this took
