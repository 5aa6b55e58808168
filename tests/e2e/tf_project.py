"""A user's own TensorFlow project, written into a folder: model.py, data.py, run.py, params.yaml."""

from __future__ import annotations

from pathlib import Path

MODEL = """
import tensorflow as tf
from clients.tensorflow import CSEstimatorSpec, ModeKeys

v1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    hidden = tf.keras.layers.Dense(16, activation="tanh", name="hidden")(features["x"])
    {line}
    hidden = tf.keras.layers.Dropout(0.1)(hidden, training=mode == ModeKeys.TRAIN)
    logits = tf.keras.layers.Dense(params["model"]["classes"], name="logits")(hidden)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    train_op, host_call = None, None
    if mode == ModeKeys.TRAIN:
        step = v1.train.get_global_step()
        optimizer = v1.train.AdamOptimizer(v1.train.exponential_decay(0.01, step, 20, 0.9))
        gradients, variables = zip(*optimizer.compute_gradients(loss))
        clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
        train_op = optimizer.apply_gradients(zip(clipped, variables), global_step=step)
    if mode == ModeKeys.EVAL:
        host_call = (metrics, [labels, tf.argmax(logits, axis=1)])
    return CSEstimatorSpec(mode=mode, loss=loss, train_op=train_op, host_call=host_call, predictions={"logits": logits})


def metrics(labels, predictions):
    return {"accuracy": v1.metrics.accuracy(labels=labels, predictions=predictions)}
"""

DATA = """
import numpy as np
import tensorflow as tf


def input_fn(params, mode):
    rows = np.arange(8 * 200, dtype=np.float32).reshape(200, 8) / 1600
    data = tf.data.Dataset.from_tensor_slices(({"x": rows}, (np.arange(200) % 4).astype(np.int32)))
    if mode == "train":
        data = data.shuffle(200).repeat()
    {line}
    return data.batch(params[f"{mode}_input"]["batch_size"], drop_remainder=True).prefetch(2)
"""

RUN = """
from clients.tensorflow import run
from data import input_fn
from model import model_fn

if __name__ == "__main__":
    run(model_fn, input_fn, input_fn)
"""

PARAMS = """
train_input:
    batch_size: 20
eval_input:
    batch_size: 40
model:
    classes: 4
optimizer:
    optimizer_type: adam
runconfig:
    max_steps: 60
    save_checkpoints_steps: 20
    log_step_count_steps: 20
    keep_checkpoint_max: 2
"""


def write(folder: Path, *, data_line: str = "pass", model_line: str = "pass") -> Path:
    """A project in `folder`; `data_line` and `model_line` are put where the templates have room for one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(MODEL.replace("{line}", model_line))
    (folder / "data.py").write_text(DATA.replace("{line}", data_line))
    (folder / "run.py").write_text(RUN)
    (folder / "params.yaml").write_text(PARAMS)
    return folder
