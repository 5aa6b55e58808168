"""Drawings of bars, crosses and frames, made here; a user would read them from files."""

import numpy as np
import tensorflow as tf

SIZE = 8
SHAPES = ("row", "column", "cross", "frame")


def input_fn(params, mode):
    """Batches of ({"image": uint8 (batch, 8, 8, 1), "exposure": float32 (batch,)}, int32 (batch,))."""
    training = mode == "train"
    images, exposures, labels = drawings(512 if training else 128, seed=1 if training else 2)
    dataset = tf.data.Dataset.from_tensor_slices(({"image": images, "exposure": exposures}, labels))
    section = params["train_input" if training else "eval_input"]
    if training:
        dataset = dataset.shuffle(512, seed=section["shuffle_seed"]).repeat()
    return dataset.batch(section["batch_size"], drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def drawings(count, seed):
    """So many images, how bright each is, and which shape it shows."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % len(SHAPES)).astype(np.int32)
    exposures = random.uniform(0.5, 1.0, count).astype(np.float32)
    images = random.integers(0, 200, (count, SIZE, SIZE, 1))
    for image, label, exposure in zip(images, labels, exposures, strict=True):
        row, column = random.integers(1, SIZE - 1, 2)
        light = int(110 * exposure)
        if SHAPES[label] in {"row", "cross"}:
            image[row] += light
        if SHAPES[label] in {"column", "cross"}:
            image[:, column] += light
        if SHAPES[label] == "frame":
            image[[0, -1]] += light
            image[1:-1, [0, -1]] += light
    return images.clip(0, 255).astype(np.uint8), exposures, labels
