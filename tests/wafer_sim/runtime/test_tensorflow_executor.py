"""The TensorFlow executor: arithmetic that can be followed by hand, and what it says when something does not fit."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wafer_sim.compiler.dataflow import DataNode, Dtype
from wafer_sim.runtime.protocol import State
from wafer_sim.runtime.tensorflow_executor import TensorflowExecutor
from wire.errors import InvalidInput, Refused

Flows = ModuleType
START = np.array([[1.0], [2.0], [3.0]], np.float32)
RANDOM = np.random.default_rng(0)
X, T = RANDOM.normal(size=(4, 3)).astype(np.float32), RANDOM.normal(size=(4, 1)).astype(np.float32)


def weights() -> dict[str, Any]:
    return {"w": START, "global_step": np.int64(0)}


def executor(flows: Flows, *nodes: DataNode, **fetches: str) -> TensorflowExecutor:
    return TensorflowExecutor(flows.program(flows.graph(*nodes, **fetches)), weights())


def test_a_step_is_the_one_done_by_hand(flows: Flows) -> None:
    """Loss and gradient of the weights as they are; the update moves by the reduced gradient it is given."""
    made = executor(flows)
    part = made.gradients([X, T], seed=0, step=0, replica=0)
    off = X @ START - T
    assert part.loss == pytest.approx(float(np.mean(off**2)), rel=1e-6)
    np.testing.assert_allclose(part.tensors[0], X.T @ off / 2, rtol=1e-5)
    assert np.array_equal(made.state().weights["w"], START)
    made.apply([np.ones((3, 1), np.float32)], 0)
    np.testing.assert_allclose(made.state().weights["w"], START - 0.1)
    assert made.state().weights["global_step"] == 1


def test_evaluation_gives_sums(flows: Flows) -> None:
    """The loss times the rows, ready to be added up; a model without metrics has none."""
    made = executor(flows)
    assert made.evaluate([X, T]) == {"rows": 4.0, "loss": pytest.approx(4 * float(np.mean((X @ START - T) ** 2)))}
    assert made.metrics() == {}


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8"])
def test_a_batch_is_cast_on_arrival(flows: Flows, dtype: str) -> None:
    """Whatever number dtype the data come in, and however they lie in memory."""
    x, t = np.arange(12).reshape(4, 3), np.arange(4).reshape(4, 1)
    made = executor(flows)
    expected = made.gradients([x.astype(np.float32), t.astype(np.float32)], seed=0, step=0, replica=0)
    given = made.gradients([np.asfortranarray(x.astype(dtype)), t.astype(dtype)], seed=0, step=0, replica=0)
    assert given.loss == expected.loss


def test_gradients_may_be_asked_for_at_once(flows: Flows) -> None:
    """Eight threads get what one gets."""
    made = executor(flows)
    found: list[Any] = []

    def work() -> None:
        found.extend(made.gradients([X, T], seed=0, step=0, replica=0).tensors[0].tobytes() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400
    assert len(set(found)) == 1


def test_a_state_is_a_copy(flows: Flows) -> None:
    """Later steps leave it alone, and it may be changed without harm."""
    made = executor(flows)
    state = made.state()
    made.apply([np.ones((3, 1), np.float32)], 0)
    assert np.array_equal(state.weights["w"], START)
    made.load(state)
    state.weights["w"][:] = 7
    assert np.array_equal(made.state().weights["w"], START)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ([X], "1 fields"),
        ([X[:2], T[:2]], "no gradients graph for 2 samples"),
        ([X[:, :2], T], "samples of shape"),
        ([], "0 fields"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(flows: Flows, batch: Any, says: str) -> None:
    """It says what came and what the model takes."""
    with pytest.raises(InvalidInput, match=says):
        executor(flows).gradients(batch, seed=0, step=0, replica=0)


@pytest.mark.parametrize(
    "odd",
    [{"w": START}, {**weights(), "more": START}, {**weights(), "w": START[:2]}],
    ids=["too few", "too many", "another shape"],
)
def test_weights_that_do_not_fit_are_refused(flows: Flows, odd: Any) -> None:
    """By the variable's name; what was there stays."""
    with pytest.raises(InvalidInput, match=r"global_step|more|'w'"):
        TensorflowExecutor(flows.program(), odd)
    made = executor(flows)
    with pytest.raises(InvalidInput):
        made.load(State(odd))
    assert np.array_equal(made.state().weights["w"], START)


def test_what_cannot_compute_names_the_users_line(flows: Flows) -> None:
    """A number that is out of range in this batch only."""
    ids = DataNode("ids", "Cast", ("t",), {"SrcT": Dtype("float32"), "DstT": Dtype("int32"), "Truncate": False})
    kinds = {"Tparams": Dtype("float32"), "Tindices": Dtype("int32"), "Taxis": Dtype("int32"), "batch_dims": 0}
    table, axis = flows.constant("table", np.ones(5)), flows.constant("axis", 0, "int32")
    looked_up = DataNode("found", "GatherV2", ("table", "ids", "axis"), kinds, "model.py:7")
    reduction = {"T": Dtype("float32"), "Tidx": Dtype("int32"), "keep_dims": False}
    late = DataNode("late", "Mean", ("found", "axes"), reduction, "model.py:8")
    made = executor(flows, ids, table, axis, looked_up, late, loss="late")
    assert made.gradients([X, np.ones((4, 1))], seed=0, step=0, replica=0).loss == 1.0
    with pytest.raises(InvalidInput, match=r"GatherV2 cannot compute.*99") as fault:
        made.gradients([X, np.full((4, 1), 99)], seed=0, step=0, replica=0)
    assert fault.value.where == "model.py:7"


def test_what_was_not_checked_does_not_open(flows: Flows) -> None:
    """The executor checks again; a graph that TensorFlow itself does not take is the program's fault."""
    with pytest.raises(Refused, match="ReadFile"):
        executor(flows, DataNode("n", "ReadFile", ("x",)))
    with pytest.raises(InvalidInput, match="cannot compute"):
        executor(flows, DataNode("n", "MatMul", ("x",), {"T": Dtype("float32")}))


def test_an_evaluation_takes_a_part_of_a_checkpoint_and_trains_nothing(flows: Flows) -> None:
    """Weights that it has no use for are passed over."""
    import dataclasses

    whole = flows.program()
    alone = dataclasses.replace(
        whole,
        parameters=(dataclasses.replace(whole.parameters[0], trained=False),),
        graphs={flows.EVAL: whole.graphs[flows.EVAL]},
    )
    made = TensorflowExecutor(alone, weights())
    assert made.evaluate([X, T])["rows"] == 4
    with pytest.raises(InvalidInput, match="no train_op"):
        made.apply([START], 0)
