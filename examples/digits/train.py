"""Train the two digit models that `servable demo` serves, and record their answers.

The data are scikit-learn's bundled handwritten digits: 1,797 real scans of 8x8
pixels, values 0..16. 360 of them, 36 a digit or so, are held out; no model sees them
before the table at the end. Version 1 is a dense net, version 2 a convolutional
one. Both are exported as SavedModels the way most people do it, with Keras's `export`.

Needs the packages of requirements.txt. Writes into this checkout unless --out says
otherwise; the same versions of the packages write the same weights again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # plain kernels: the same sums everywhere
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).resolve().parent.parent.parent
SEED = 20
HELD_OUT = 360
LEVELS = 16  # the brightest pixel value; images are divided by it

Images = np.ndarray
Labels = np.ndarray


@dataclass(frozen=True)
class Split:
    """Raw images uint8 [n, 8, 8, 1] with values 0..16, and labels int64 [n]."""

    train_images: Images
    train_labels: Labels
    held_out_images: Images
    held_out_labels: Labels


@dataclass(frozen=True)
class Recipe:
    """How one version is made."""

    version: int
    title: str
    build: Callable[[], keras.Model]
    epochs: int
    shifts: int


def split() -> Split:
    """Divide the digits, each class in proportion, the same way every time."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., np.newaxis]
    parts = train_test_split(
        images,
        digits.target.astype(np.int64),
        test_size=HELD_OUT,
        random_state=SEED,
        stratify=digits.target,
    )
    train_images, held_out_images, train_labels, held_out_labels = parts
    return Split(train_images, train_labels, held_out_images, held_out_labels)


def scale(images: Images) -> Images:
    """Return float32 images with values 0..1, what the models take."""
    return images.astype(np.float32) / LEVELS


def dense() -> keras.Model:
    """Version 1: one hidden layer."""
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Flatten()(image)
    x = keras.layers.Dense(48, activation="relu")(x)
    x = keras.layers.Dense(10, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs={"image": image}, outputs={"probabilities": x}, name="digits_dense")


def convolutional() -> keras.Model:
    """Version 2: three convolutions, two pooling layers and a dense head."""
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.3)(x)
    x = keras.layers.Dense(64, activation="relu")(x)
    x = keras.layers.Dense(10, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs={"image": image}, outputs={"probabilities": x}, name="digits_cnn")


RECIPES = (
    Recipe(version=1, title="dense", build=dense, epochs=30, shifts=0),
    Recipe(version=2, title="convolutional", build=convolutional, epochs=40, shifts=1),
)


def shifted(images: Images, labels: Labels, by: int) -> tuple[Images, Labels]:
    """Add copies of every image moved by up to `by` pixels; writers do not centre exactly."""
    padded = np.pad(images, ((0, 0), (by, by), (by, by), (0, 0)))
    offsets = [(row, column) for row in range(2 * by + 1) for column in range(2 * by + 1)]
    copies = [padded[:, row : row + 8, column : column + 8] for row, column in offsets]
    return np.concatenate(copies), np.tile(labels, len(copies))


def train(recipe: Recipe, data: Split) -> keras.Model:
    """Fit one model; Keras draws its progress bar."""
    print(f"\nVersion {recipe.version}: {recipe.title}")
    keras.utils.set_random_seed(SEED + recipe.version)
    model = recipe.build()
    images, labels = shifted(data.train_images, data.train_labels, recipe.shifts)
    steps = recipe.epochs * -(-len(images) // 64)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit({"image": scale(images)}, labels, batch_size=64, epochs=recipe.epochs, verbose=1)
    return model


def export(model: keras.Model, folder: Path) -> None:
    """Write the SavedModel: weights and `serving_default`, no optimizer, no training graph."""
    shutil.rmtree(folder, ignore_errors=True)
    # A model built again from its configuration and weights was never compiled, so there is no
    # optimizer state to write.
    bare = keras.models.clone_model(model)
    bare.set_weights(model.get_weights())
    bare.export(folder, format="tf_saved_model", verbose=False)


def write_sample(data: Split, folder: Path) -> None:
    """Write one held-out seven as a picture and as the body of a REST request."""
    image = data.held_out_images[data.held_out_labels == 7][0]
    grey = np.rint(scale(image) * 255).astype(np.uint8)
    (folder / "seven.png").write_bytes(tf.io.encode_png(grey).numpy())
    (folder / "seven.json").write_text(json.dumps({"instances": [scale(image).tolist()]}) + "\n")


def record(folder: Path, images: Images) -> np.ndarray:
    """Return what TensorFlow answers from the exported files: float32 [n, 10]."""
    answer = tf.saved_model.load(folder).signatures["serving_default"]
    return answer(image=tf.constant(scale(images)))["probabilities"].numpy()


def table(rows: list[tuple[Recipe, np.ndarray, int]], labels: Labels) -> str:
    """Lay out the held-out accuracies."""
    lines = [f"{'version':<9}{'net':<16}{'weights':>9}{'right':>12}{'accuracy':>11}"]
    for recipe, probabilities, weights in rows:
        right = int((probabilities.argmax(axis=1) == labels).sum())
        share = f"{100 * right / len(labels):.2f} %"
        of = f"{right}/{len(labels)}"
        lines.append(f"{recipe.version:<9}{recipe.title:<16}{weights:>9,}{of:>12}{share:>11}")
    return "\n".join(lines)


def main() -> None:
    """Train, export, record, and print how good each version is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT, help="root of the tree to write into")
    out = parser.parse_args().out
    demo = out / "src" / "servable" / "demos" / "digits"
    answers = out / "tests" / "data" / "digits_expected.npz"
    samples = out / "examples" / "digits"
    for folder in (demo, answers.parent, samples):
        folder.mkdir(parents=True, exist_ok=True)
    tf.config.experimental.enable_op_determinism()

    data = split()
    np.savez_compressed(
        demo / "heldout.npz", images=data.held_out_images, labels=data.held_out_labels
    )
    write_sample(data, samples)
    rows = []
    for recipe in RECIPES:
        model = train(recipe, data)
        folder = demo / "models" / "digits" / str(recipe.version)
        export(model, folder)
        rows.append((recipe, record(folder, data.held_out_images), model.count_params()))
    np.savez_compressed(answers, **{f"v{recipe.version}": probs for recipe, probs, _ in rows})

    print(f"\n{table(rows, data.held_out_labels)}")
    print(f"\nModels: {demo / 'models' / 'digits'}\nTensorFlow's answers: {answers}")


if __name__ == "__main__":
    main()
