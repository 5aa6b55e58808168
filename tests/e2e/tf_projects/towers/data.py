"""TFRecord files to nested dicts; a training pipeline cuts itself by its input_context."""

from pathlib import Path

import tensorflow as tf

SPEC = {
    "person": tf.io.FixedLenFeature([], tf.int64),
    "age": tf.io.FixedLenFeature([2], tf.float32),
    "films": tf.io.FixedLenFeature([5], tf.int64),
    "liked": tf.io.FixedLenFeature([], tf.float32),
    "rating": tf.io.FixedLenFeature([], tf.float32),
}


def train_input_fn(params, input_context):
    """Endless batches; each pipeline reads its own files."""
    section = params["train_input"]
    files = tf.data.Dataset.from_tensor_slices(_files(section, "train"))
    files = files.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    dataset = files.interleave(tf.data.TFRecordDataset, cycle_length=2, num_parallel_calls=2, deterministic=True)
    dataset = dataset.shuffle(200).repeat().batch(section["batch_size"], drop_remainder=True)
    return dataset.map(_parsed, num_parallel_calls=2).prefetch(2)


def eval_input_fn(params):
    """Every record of the evaluation file once, in order."""
    section = params["eval_input"]
    dataset = tf.data.TFRecordDataset(_files(section, "eval")).batch(section["batch_size"], drop_remainder=True)
    return dataset.map(_parsed).prefetch(2)


def _files(section, kind):
    return sorted(map(str, Path(section["data_dir"]).glob(f"{kind}-*.tfrecord")))


def _parsed(records):
    parsed = tf.io.parse_example(records, SPEC)
    features = {
        "person": {"id": tf.cast(parsed["person"], tf.int32), "age": parsed["age"]},
        "films": tf.cast(parsed["films"], tf.int32),
    }
    return features, {"liked": parsed["liked"], "scores": {"rating": parsed["rating"]}}
