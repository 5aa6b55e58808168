"""Rows that are kept: read once each, the same in any order, and never one that could not be read."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streamer.sources.kept import KeptRows, size_in_memory
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput

SPEC = ElementSpec((Field("y", "int64"), Field("x", "float32", (2,))))


class _Reader:
    """Row n is y = n, x = [n, n / 2]; counts what is asked of it."""

    def __init__(self, bad=()):
        self.asked, self.bad = [], bad

    def __call__(self, rows):
        self.asked += rows.tolist()
        if set(self.bad) & set(rows.tolist()):
            raise InvalidInput("a bad row")
        return {"y": rows.copy(), "x": np.stack([rows, rows / 2], 1).astype(np.float32)}


def _check(batch, rows):
    assert batch["y"].tolist() == list(rows) and batch["x"].tolist() == [[row, row / 2] for row in rows]


def test_a_row_is_read_once():
    """Rows that are there are not read again, whatever they are asked for with."""
    reader = _Reader()
    kept = KeptRows(SPEC, 10, reader)
    for rows in ([3, 1, 3], [1, 2], [0, 1, 2, 3], [9, 8, 7], [7, 8, 9], []):
        _check(kept.gather(np.array(rows, np.int64)), rows)
    assert sorted(set(reader.asked)) == [0, 1, 2, 3, 7, 8, 9] and len(reader.asked) == 8


def test_what_is_given_cannot_change_what_is_kept():
    """A batch that is a view of what is kept is read-only."""
    kept = KeptRows(SPEC, 4, _Reader())
    kept.gather(np.arange(4))
    with pytest.raises(ValueError, match="read-only"):
        kept.gather(np.arange(4))["y"][0] = 7
    _check(kept.gather(np.arange(4)), range(4))


def test_a_bad_row_is_not_kept():
    """What a read raises is raised each time; the rows beside it are read alone."""
    kept = KeptRows(SPEC, 4, _Reader(bad=[2]))
    for _ in range(2):
        with pytest.raises(InvalidInput):
            kept.gather(np.arange(4))
        _check(kept.gather(np.array([1, 3])), [1, 3])


def test_many_threads():
    """Threads that ask for the same rows at once all get them right."""
    kept = KeptRows(SPEC, 500, _Reader())
    orders = [np.random.default_rng(seed).permutation(500) for seed in range(16)]
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda order: [kept.gather(part) for part in np.split(order, 10)], orders))
    for order, parts in zip(orders, batches, strict=True):
        assert np.concatenate([part["y"] for part in parts]).tolist() == order.tolist()


def test_sizes():
    """Rows of fixed size have a size in memory; lists and texts have none."""
    assert size_in_memory(SPEC, 10) == 160
    for field in (Field("t", "string"), Field("ids", "int8", (), True)):
        assert size_in_memory(ElementSpec((field,)), 10) is None
