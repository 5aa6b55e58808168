"""The door for loaders: a framework that the user's file does not import is never imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamer.sources.loaders import open_loader
from streamer.sources.walked import WalkedLoader
from wire.errors import InvalidInput

ROOT = Path(__file__).parents[3]

HOST = """
import sys

from streamer.pipeline import StreamSettings
from streamer.user_loader import user_input
from wire.cursor import Cursor

opened = user_input(sys.argv[1], "input_fn", {"n": 4}, None, 7, "train")
pipeline = opened.open(StreamSettings(4, 1, 2, seed=7), Cursor(1, 0, 1))
print(pipeline.get(60).batch["0"].ravel().tolist())
pipeline.close()
print(sorted({"torch", "tensorflow"} & set(sys.modules)))
"""

PLAIN = """
import numpy as np


def input_fn(params):
    return [(np.full(params["n"], number),) for number in range(8)]
"""

TENSORFLOW = """
import tensorflow as tf

FIRST = int(tf.random.uniform((), maxval=1000, dtype=tf.int32))


def input_fn(params, mode, input_context):
    rows = tf.data.Dataset.range(40).shuffle(40).map(lambda row: row + FIRST + 1000 * (mode == "train"))
    return rows.batch(params["n"], drop_remainder=True).repeat()
"""

TORCH = """
import torch
from torch.utils.data import DataLoader, IterableDataset

FIRST = int(torch.randint(1000, ()))


class Rows(IterableDataset):
    def __iter__(self):
        return iter((torch.randperm(40) + FIRST).tolist())


def input_fn(params):
    return DataLoader(Rows(), params["n"], drop_last=True)
"""


def _hosted(folder, code):
    """What a worker with this data file printed, twice."""
    (folder / "own_data.py").write_text(code)
    (folder / "host.py").write_text(HOST)
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(folder / "host.py"), str(folder / "own_data.py")],
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.splitlines())
    return told


@pytest.mark.parametrize(("code", "framework"), [(PLAIN, ""), (TENSORFLOW, "tensorflow"), (TORCH, "torch")])
def test_a_worker_imports_the_frameworks_of_its_data_file_only(tmp_path, code, framework):
    """And what that draws, unseeded, on import and later, is the same in every process."""
    (first, modules), again = _hosted(tmp_path, code)
    assert modules == str([framework] if framework else [])
    assert [first, modules] == again


def test_what_is_no_loader_is_refused_without_a_framework():
    """A number is neither a dataset nor an iterable of batches."""
    with pytest.raises(InvalidInput, match="returned a int"):
        open_loader(3)


def test_a_plain_iterable_is_walked():
    """Of whatever framework its arrays are."""
    source = open_loader([np.zeros((2, 3))])
    assert isinstance(source, WalkedLoader)
    assert not source.shards(2)
