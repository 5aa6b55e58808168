"""The TFRecord files, as another program left them: who saw which film, and whether they liked it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

PEOPLE, FILMS, WORDS = 40, 60, 5


def write(folder, files=4, records=250):
    """`files` training files and one for evaluation, of so many records each."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    person_taste, film_taste = random.normal(size=(PEOPLE, 3)), random.normal(size=(FILMS, 3))
    for name in [f"train-{n}.tfrecord" for n in range(files)] + ["eval-0.tfrecord"]:
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for _ in range(records):
                person, film = int(random.integers(PEOPLE)), int(random.integers(FILMS))
                liking = float(person_taste[person] @ film_taste[film])
                writer.write(_example(person, film, liking, random).SerializeToString())


def _example(person, film, liking, random):
    age = [float(person) / PEOPLE, float(random.normal())]
    features = {
        "person": tf.train.Feature(int64_list=tf.train.Int64List(value=[person])),
        "age": tf.train.Feature(float_list=tf.train.FloatList(value=age)),
        "films": tf.train.Feature(int64_list=tf.train.Int64List(value=[film, *random.integers(0, FILMS, WORDS - 1)])),
        "liked": tf.train.Feature(float_list=tf.train.FloatList(value=[float(liking > 0)])),
        "rating": tf.train.Feature(float_list=tf.train.FloatList(value=[float(np.tanh(liking))])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))
