"""Processors divided between the input and what computes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.cores import Cores, bind, input_aside, tasks_of

linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this operating system binds no threads")


@given(st.sets(st.integers(0, 500), min_size=1))
def test_every_processor_has_a_use(available: set[int]) -> None:
    """Input and compute share out the processors; only a single one is both; a quarter is the input's."""
    cores = Cores.split(available)
    assert cores.all == available
    assert len(cores.input) == max(1, len(available) // 4)
    assert cores.compute.isdisjoint(cores.input) == (len(available) > 1)


@linux
def test_the_input_stays_aside_while_this_thread_computes() -> None:
    """Other threads, and threads that they start, are on the input's cores meanwhile; all are free again afterwards."""
    cores = Cores.here()
    go, seen = threading.Barrier(2), []

    def descendant() -> None:
        seen.append(os.sched_getaffinity(0))

    def other() -> None:
        go.wait()
        child = threading.Thread(target=descendant)
        child.start()
        child.join()
        go.wait()
        go.wait()
        seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=other)
    thread.start()
    with input_aside(cores):
        go.wait()
        go.wait()
        assert os.sched_getaffinity(0) == cores.compute
    go.wait()
    thread.join()
    assert seen == [cores.input, cores.all]
    assert os.sched_getaffinity(0) == cores.all


@linux
def test_a_thread_that_starts_meanwhile_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that another thread starts while they are being bound is bound too, although it was not in the first list."""
    end, late = threading.Event(), threading.Thread(target=lambda: end.wait(20))

    def listed_too_early(process: int) -> list[int]:
        found = tasks_of(process)
        if not late.is_alive():
            late.start()
        return found

    monkeypatch.setattr("wire.cores.tasks_of", listed_too_early)
    cores = Cores.here()
    with input_aside(cores):
        assert late.native_id is not None
        assert os.sched_getaffinity(late.native_id) == cores.input
    end.set()
    late.join()


@linux
def test_threads_of_children_belong_to_a_process() -> None:
    """A process's tasks are its own threads and those of the processes that it started."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert {os.getpid(), threading.get_native_id(), child.pid} <= set(tasks_of(os.getpid()))
        child.communicate()


@linux
def test_a_thread_that_has_ended_is_passed_over() -> None:
    """Binding a process that is gone binds the others all the same."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert tasks_of(gone.pid) == []
    bind([gone.pid, threading.get_native_id()], os.sched_getaffinity(0))
