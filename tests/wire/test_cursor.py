"""The cursor: positions, their order and their text."""

import pytest

from wire.codec import cursor_from, cursor_message
from wire.cursor import Cursor


def test_following_counts_batches_and_next_epoch_starts_again():
    """The next batch is one further in its epoch; the next epoch starts at batch 0."""
    assert Cursor(3, 2, 7).following() == Cursor(3, 2, 8)
    assert Cursor(3, 2, 7).next_epoch() == Cursor(3, 3, 0)


def test_cursors_of_a_stream_sort_by_epoch_then_batch():
    """Sorting cursors of one stream gives the order in which its batches come."""
    later = Cursor(0, 1, 0)
    assert sorted([later, Cursor(0, 0, 9), Cursor(0, 0, 10)]) == [Cursor(0, 0, 9), Cursor(0, 0, 10), later]


@pytest.mark.parametrize("parts", [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_no_part_is_negative(parts):
    """A cursor before the beginning cannot be made."""
    with pytest.raises(ValueError, match="negative"):
        Cursor(*parts)


def test_text_names_stream_epoch_and_batch():
    """People read where a stream is."""
    assert str(Cursor(3, 2, 7)) == "stream 3 epoch 2 batch 7"


def test_a_cursor_survives_the_wire():
    """The message holds the largest numbers that the contract allows."""
    cursor = Cursor(2**32 - 1, 2**64 - 1, 2**64 - 2)
    assert cursor_from(cursor_message(cursor)) == cursor
