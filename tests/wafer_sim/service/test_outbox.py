"""What one listener has still to hear."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from wafer_sim.service.outbox import Outbox
from wire.errors import Exhausted, Stopped


def test_items_come_in_order_then_the_end():
    """What was put before the end is heard."""
    box = Outbox(5, lambda _: False)
    for item in range(3):
        box.put(item)
    box.close()
    box.put(3)
    assert list(box) == [0, 1, 2]


def test_a_waiting_listener_is_woken():
    """By an item, and by the end."""
    box = Outbox(5, lambda _: False)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(list, box)
        box.put("word")
        box.close()
        assert heard.result(10) == ["word"]


def test_a_fault_ends_it_after_the_last_item():
    """The first close counts."""
    box = Outbox(5, lambda _: False)
    box.put(1)
    box.close(Stopped("enough"))
    box.close()
    heard = []
    with pytest.raises(Stopped, match="enough"):
        heard.extend(iter(box))
    box = iter(box)
    with pytest.raises(Stopped):
        next(box)


def test_the_oldest_droppable_item_makes_room():
    """What must be heard is kept, the newest included."""
    box = Outbox(2, lambda item: item > 0)
    for item in (-1, 1, 2, 3):
        box.put(item)
    box.close()
    assert list(box) == [-1, 3]


def test_a_listener_that_takes_nothing_is_cut_off():
    """Where nothing can be dropped the queue ends rather than grows."""
    box = Outbox(1, lambda _: False)
    box.put(1)
    box.put(2)
    with pytest.raises(Exhausted):
        list(box)
