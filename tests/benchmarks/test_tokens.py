"""The token benchmark gives everybody the same work."""

import numpy as np
import pytest

from benchmarks.peers.tokens import COLUMN, END, FILL, TokenTask, packed, write_documents
from benchmarks.tokens import recipe_of
from streamer.pipeline import recipe_input

LENGTH = 16


@pytest.fixture
def folder(tmp_path):
    write_documents(tmp_path, 64, LENGTH)
    return tmp_path


def _made(task):
    opened = recipe_input(recipe_of(task))
    rows = np.arange(opened.rows)
    return opened.reader(opened.source, 0).read(0, 0, rows).batch[COLUMN]


def test_a_task_travels(folder):
    """What the harness says is what the peer's process reads."""
    task = TokenTask(str(folder), packed=True)
    assert TokenTask.from_json(task.to_json()) == task


def test_packed_is_the_same_for_all(folder):
    """Our packing and the one that peers are given are equal, and leave nothing over."""
    task = TokenTask(str(folder), True, LENGTH, 8)
    tokens, offsets = task.read()
    made = _made(task)
    assert np.array_equal(made, packed(tokens, offsets, LENGTH))
    assert made.shape == (32, LENGTH) and (made == END).sum() == 64


def test_padded_is_the_documents(folder):
    """Each row is a document, filled."""
    task = TokenTask(str(folder), False, LENGTH, 8)
    tokens, offsets = task.read()
    for row, start, stop in zip(_made(task), offsets, offsets[1:], strict=False):
        assert row.tolist() == tokens[start:stop].tolist() + [FILL] * (LENGTH - (stop - start))
