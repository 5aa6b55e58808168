"""The seam: order, bounds, closing, and what it measures."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wire.seam import Seam, SeamClosed

PATIENCE = 20.0


class Clock:
    """A clock that stands still until it is set; it says when somebody read it."""

    def __init__(self):
        self.now = 100.0
        self.read = threading.Event()

    def __call__(self):
        self.read.set()
        return self.now


@pytest.fixture
def pool():
    """A thread for the other side of the seam."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def blocked(clock, seam):
    """Return once a thread waits at the seam: it read the clock, and the lock is free again."""
    assert clock.read.wait(PATIENCE)
    seam.reading()


def test_items_come_out_in_the_order_in_which_they_went_in():
    """First in, first out."""
    seam = Seam("map", 3)
    for item in "abc":
        seam.put(item)
    assert [seam.get() for _ in range(3)] == ["a", "b", "c"]


def test_many_items_cross_between_threads_without_loss_and_in_order(pool):
    """A producer and a consumer thread move every item once, never more than the capacity at a time."""
    seam = Seam("map", 2)
    received = pool.submit(lambda: [seam.get(PATIENCE) for _ in range(2_000)])
    for i in range(2_000):
        seam.put(i, PATIENCE)
        assert seam.reading().depth <= 2
    assert received.result(PATIENCE) == list(range(2_000))


def test_what_is_put_at_once_may_count_as_several_items():
    """It needs room for one, goes out at once, and counts as many in what is measured and in what is asked for."""
    seam = Seam("map", 4)
    for item, count in (("abc", 3), ("de", 2)):
        seam.put(item, 0, count=count)
    with pytest.raises(TimeoutError):
        seam.put("f", 0)
    assert (seam.reading().items, seam.reading().depth) == (5, 5)
    assert seam.get_some(2, 1000) == ["abc"]
    seam.put("f", 0)
    assert seam.get_some(3, 1000) == ["de", "f"]
    assert seam.reading().get_waits.total == 6


def test_a_seam_holds_at_least_one_item():
    """A capacity of 0 is refused, with the seam's name."""
    with pytest.raises(ValueError, match=r"'map'.*at least 1"):
        Seam("map", 0)


def test_a_full_seam_times_out_and_takes_nothing():
    """`put` names the seam and the time it waited; the item is not added."""
    seam = Seam("batch", 1)
    seam.put("a")
    with pytest.raises(TimeoutError, match=r"'batch': no room within 0\.01 s"):
        seam.put("b", timeout=0.01)
    assert seam.reading().items == seam.reading().depth == 1


def test_an_empty_seam_times_out():
    """`get` names the seam and the time it waited."""
    with pytest.raises(TimeoutError, match=r"'batch': nothing came within 0\.01 s"):
        Seam("batch", 1).get(timeout=0.01)


def test_closing_wakes_a_blocked_consumer(pool):
    """A consumer that waits learns at once that nothing more will come."""
    clock = Clock()
    seam = Seam("map", 1, clock)
    waiting = pool.submit(seam.get)
    blocked(clock, seam)
    seam.close()
    with pytest.raises(SeamClosed, match="map"):
        waiting.result(PATIENCE)


def test_closing_wakes_a_blocked_producer(pool):
    """A producer that waits learns at once that nothing more can be put; its item is not added."""
    clock = Clock()
    seam = Seam("map", 1, clock)
    seam.put("a")
    waiting = pool.submit(seam.put, "b")
    blocked(clock, seam)
    seam.close()
    with pytest.raises(SeamClosed):
        waiting.result(PATIENCE)
    assert seam.get() == "a"
    with pytest.raises(SeamClosed):
        seam.get()


def test_a_closed_seam_takes_nothing_but_gives_what_it_holds():
    """`put` fails at once, also where there is room; `get` fails when the items are taken."""
    seam = Seam("map", 2)
    seam.put("a")
    seam.close()
    with pytest.raises(SeamClosed):
        seam.put("b")
    assert seam.get() == "a"
    with pytest.raises(SeamClosed):
        seam.get()


def test_the_producers_error_reaches_the_consumer_after_the_items():
    """What broke the producer is raised where its items are taken, and stays the reason."""
    seam = Seam("read", 2)
    seam.put("a")
    seam.close(KeyError("label"))
    seam.close()
    assert seam.get() == "a"
    for _ in range(2):
        with pytest.raises(KeyError, match="label"):
            seam.get()


def test_the_first_error_counts():
    """Closing again does not hide why the seam was closed."""
    seam = Seam("read", 2)
    seam.close(KeyError("first"))
    seam.close(ValueError("second"))
    with pytest.raises(KeyError, match="first"):
        seam.get()


def test_a_wait_for_an_item_is_measured_while_it_goes_on_and_after(pool):
    """get_wait counts the seconds of a blocked consumer, and put_wait stays 0."""
    clock = Clock()
    seam = Seam("map", 1, clock)
    waiting = pool.submit(seam.get)
    blocked(clock, seam)
    clock.now += 2.5
    assert seam.reading().get_wait == 2.5
    clock.now += 0.5
    seam.put("a")
    assert waiting.result(PATIENCE) == "a"
    assert (seam.reading().get_wait, seam.reading().put_wait) == (3.0, 0.0)


def test_a_wait_for_room_is_measured(pool):
    """put_wait counts the seconds of a blocked producer, and get_wait stays 0."""
    clock = Clock()
    seam = Seam("map", 1, clock)
    seam.put("a")
    waiting = pool.submit(seam.put, "b")
    blocked(clock, seam)
    clock.now += 4.0
    seam.get()
    waiting.result(PATIENCE)
    assert (seam.reading().get_wait, seam.reading().put_wait) == (0.0, 4.0)


def test_two_blocked_consumers_wait_twice(pool):
    """Waits add up over the threads that wait."""
    clock = Clock()
    seam = Seam("map", 2, clock)
    waiting = []
    for _ in range(2):
        clock.read.clear()
        waiting.append(pool.submit(seam.get))
        blocked(clock, seam)
    clock.now += 1.5
    seam.put("a")
    seam.put("b")
    assert {w.result(PATIENCE) for w in waiting} == {"a", "b"}
    assert seam.reading().get_wait == 3.0


def test_a_wait_that_ran_out_of_time_counts():
    """A consumer that polls with a timeout loses none of its waiting from the account."""
    ticks = iter(range(100))
    seam = Seam("map", 1, clock=lambda: next(ticks))
    for _ in range(3):
        with pytest.raises(TimeoutError):
            seam.get(timeout=0.001)
    assert seam.reading().get_wait == 3.0


def test_no_clock_is_read_where_nobody_waits():
    """A seam that flows costs no time-keeping."""
    clock = Clock()
    seam = Seam("map", 1, clock)
    seam.put("a")
    seam.get()
    assert not clock.read.is_set()
    assert (seam.reading().put_wait, seam.reading().get_wait) == (0.0, 0.0)


def test_a_reading_counts_items_depth_and_occupancy():
    """Occupancy is the mean number of items found by the gets that took one."""
    seam = Seam("map", 4)
    assert seam.reading().occupancy == 0.0
    for item in "abc":
        seam.put(item)
    seam.get()
    seam.get()
    reading = seam.reading()
    assert (reading.name, reading.items, reading.depth, reading.capacity) == ("map", 3, 1, 4)
    assert reading.occupancy == (3 + 2) / 2


def test_items_that_pass_at_once_have_not_waited():
    """Every item that went in or out is in a spread, those that found room or an item at once as no wait."""
    seam = Seam("map", 3)
    seam.put("a", size=5)
    seam.put("b", size=7)
    seam.get()
    reading = seam.reading()
    assert (reading.put_waits.counts, reading.get_waits.counts, reading.bytes) == ((2,), (1,), 12)


def test_a_wait_that_ran_out_of_time_belongs_to_the_item_that_came_after_it(pool):
    """Two tries and the wait that ended are one wait of one item."""
    clock = Clock()
    seam = Seam("map", 1, clock)

    def tick():
        clock.now += 2.0
        return clock.now

    seam._get_waits._clock = tick  # each reading of it is two seconds later
    for _ in range(2):
        with pytest.raises(TimeoutError):
            seam.get(timeout=0.001)
    seam.put("a")
    seam.get()
    reading = seam.reading()
    assert reading.get_wait == 4.0
    assert reading.get_waits.total == 1
    assert 4.0 <= reading.get_waits.quantile(0.5) <= 5.0


def test_some_items_come_out_together_up_to_their_number_and_their_size():
    """`get_some` takes what is there, in order: as many as are asked for, and none beyond the bytes asked for."""
    seam = Seam("map", 9)
    for item in "abcdef":
        seam.put(item, size=10)
    assert seam.get_some(2, 1000) == ["a", "b"]
    assert seam.get_some(9, 15) == ["c", "d"]
    assert seam.get_some(9, 1000) == ["e", "f"]
    assert seam.reading().get_waits.total == 6


def test_a_consumer_lingers_until_there_is_enough(pool):
    """It is woken when as much is there as it wants, also by a producer that had found no room; not item by item."""
    clock = Clock()
    seam = Seam("map", 4, clock)
    seam.put("a", size=1)
    some = pool.submit(seam.get_some, 9, 3, PATIENCE, PATIENCE)
    blocked(clock, seam)
    for item in "bcd":
        seam.put(item, PATIENCE, size=1)
    assert some.result(PATIENCE)[:3] == ["a", "b", "c"]


def test_a_reading_while_a_consumer_lingers_counts_nothing_below_zero(pool):
    """What it waited for is there and not yet taken: a reading that cannot be sent would end a worker's heartbeats."""
    clock = Clock()
    seam = Seam("map", 4, clock)
    some = pool.submit(seam.get_some, 9, 3, PATIENCE, PATIENCE)
    blocked(clock, seam)
    clock.read.clear()
    seam.put("a", size=1)
    blocked(clock, seam)
    assert min(seam.reading().get_waits.counts) >= 0
    for item in "bc":
        seam.put(item, size=1)
    assert some.result(PATIENCE) == ["a", "b", "c"]
    assert seam.reading().get_waits.total == 3


def test_a_consumer_lingers_no_longer_than_it_says():
    """What is there goes when the time is over, and at once when the seam is closed."""
    seam = Seam("map", 4)
    seam.put("a")
    assert seam.get_some(9, 1000, linger=0.01) == ["a"]
    seam.put("b")
    seam.close(KeyError("label"))
    assert seam.get_some(9, 1000, linger=PATIENCE) == ["b"]
    with pytest.raises(KeyError, match="label"):
        seam.get_some(9, 1000, linger=PATIENCE)


def test_a_producer_that_found_no_room_sleeps_until_half_of_it_is_free(pool):
    """It is not woken for each item that is taken, and loses nothing by it."""
    clock = Clock()
    seam = Seam("map", 4, clock)
    for item in "abcd":
        seam.put(item)
    waiting = pool.submit(seam.put, "e", PATIENCE)
    blocked(clock, seam)
    assert seam.get() == "a"
    assert seam.reading().depth == 3
    assert seam.get() == "b"
    waiting.result(PATIENCE)
    assert [seam.get() for _ in range(3)] == ["c", "d", "e"]


def test_a_seam_that_grows_lets_in_who_waits() -> None:
    """More room wakes a producer; less of it leaves what is there."""
    seam: Seam[int] = Seam("s", 1)
    seam.put(1)
    with pytest.raises(TimeoutError):
        seam.put(2, timeout=0.0)
    seam.resize(3)
    seam.put(2, timeout=0.0)
    seam.resize(1)
    assert [seam.get(1.0), seam.get(1.0)] == [1, 2]
    assert seam.reading().capacity == 1
