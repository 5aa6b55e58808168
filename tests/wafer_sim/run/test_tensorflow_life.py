"""Runs of a TensorFlow program: the same life, ledger and checkpoints as of the other kind."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wafer_sim.checkpoints import newest_whole
from wire.elements import ElementSpec, Field
from wire.errors import Refused
from wire.schema import spec_to_bytes
from wire.v1 import run_pb2

ELEMENT = ElementSpec((Field("x", "float32", (3,)), Field("t", "float32", (1,))))
TWO = {"element_spec": spec_to_bytes(ELEMENT), "replicas": 2, "batch_size": 8}


def batch_of(stream: int, sequence: int) -> dict[str, np.ndarray]:
    """A batch that is a function of its place."""
    x = np.random.default_rng([stream, sequence]).standard_normal((4, 3), np.float32)
    return {"x": x, "t": x.sum(1, keepdims=True)}


def bench_of(flows: ModuleType, make_bench: Any) -> Any:
    return make_bench(flows.program(), {"w": np.ones((3, 1), np.float32) * 4, "global_step": np.int64(0)})


def test_a_run_is_trained_saved_and_resumed_bit_for_bit(flows: ModuleType, make_bench: Any) -> None:
    """Two replicas, 12 steps; and the same in two runs with a checkpoint between them."""
    whole, halved = bench_of(flows, make_bench), bench_of(flows, make_bench)
    given = {"batch": batch_of, "optimizer": "", "data": TWO}
    finished = whole.live(max_steps=12, **given)
    halved.live(max_steps=5, **given)
    assert halved.live(max_steps=12, **given).progress.loss == finished.progress.loss < 20
    ends = [newest_whole(each.model_dir)[0] for each in (whole, halved)]
    assert [end.step for end in ends] == [12, 12]
    assert ends[0].state.weights["global_step"] == 12
    assert all(
        np.array_equal(ends[0].state.weights[name], ends[1].state.weights[name]) for name in ("w", "global_step")
    )


def test_an_evaluation_gives_the_mean_loss(flows: ModuleType, make_bench: Any) -> None:
    """Over all batches of the streams, by the weights of the checkpoint."""
    bench = bench_of(flows, make_bench)
    one = {**TWO, "replicas": 1, "batch_size": 4}
    finished = bench.live(count=3, batch=batch_of, mode=run_pb2.MODE_EVAL, max_steps=0, optimizer="", data=one)
    batches = [batch_of(stream, number) for stream in range(2) for number in range(3)]
    expected = np.mean([(b["x"].sum(1) * 3) ** 2 for b in batches])
    assert finished.progress.loss == pytest.approx(float(expected), rel=1e-5)
    assert finished.progress.samples == 24


def test_a_batch_size_that_was_not_compiled_is_refused(flows: ModuleType, make_bench: Any) -> None:
    """Before anything runs, naming the graphs that there are."""
    with pytest.raises(Refused, match="no graph gradients@8"):
        bench_of(flows, make_bench).run(optimizer="", data={**TWO, "replicas": 1})
