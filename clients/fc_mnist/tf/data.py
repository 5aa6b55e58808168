"""MNIST for TensorFlow: Parquet files, read whole, then shuffled, batched, mapped, repeated and prefetched."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

from clients.tensorflow import ModeKeys

PIXELS = 28 * 28
MEAN = 0.1307
DEVIATION = 0.3081
SAMPLES = 60_000


def train_input_fn(params: dict[str, Any]) -> Any:
    """Endless batches of (image, label): float32 (batch, 784), normalised, and int32 (batch,)."""
    return input_fn(params, ModeKeys.TRAIN)


def eval_input_fn(params: dict[str, Any]) -> Any:
    """As for training, but each test image at most once, in order."""
    return input_fn(params, ModeKeys.EVAL)


def input_fn(params: dict[str, Any], mode: str = ModeKeys.TRAIN) -> Any:
    """The dataset of a mode. params: the whole params; `train_input` says how both modes read."""
    section, training = params["train_input"], mode == ModeKeys.TRAIN
    files = sorted(map(str, (Path(section["data_dir"]) / ("train" if training else "test")).glob("*.parquet")))
    batch_size = section.get("train_batch_size" if training else "eval_batch_size") or section["batch_size"]
    dataset = tf.data.Dataset.from_tensor_slices(files).flat_map(_samples)
    if training and section["shuffle"]:
        dataset = dataset.shuffle(SAMPLES, seed=section.get("shuffle_seed"))
    dataset = dataset.batch(batch_size, drop_remainder=True)
    # A batch at a time: ten times the samples per second of a map over single images.
    dataset = dataset.map(_normalised, num_parallel_calls=section["num_parallel_calls"] or tf.data.AUTOTUNE)
    if training:
        dataset = dataset.repeat()
    return dataset.prefetch(tf.data.AUTOTUNE)


def _samples(file: Any) -> Any:
    pixels, labels = tf.numpy_function(_read, [file], [tf.uint8, tf.int32], stateful=False)
    pixels, labels = tf.ensure_shape(pixels, [None, PIXELS]), tf.ensure_shape(labels, [None])
    return tf.data.Dataset.from_tensor_slices((pixels, labels))


def _read(file: bytes) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(file.decode()).combine_chunks()
    pixels = np.frombuffer(table["image"].chunk(0).buffers()[1], np.uint8).reshape(-1, PIXELS)
    return pixels, table["label"].to_numpy().astype(np.int32)


def _normalised(pixels: Any, labels: Any) -> tuple[Any, Any]:
    return (tf.cast(pixels, tf.float32) / 255.0 - MEAN) / DEVIATION, labels
