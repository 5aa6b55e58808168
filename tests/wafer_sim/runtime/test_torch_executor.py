"""The executor: the same numbers as torch, from data only."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from wafer_sim.compiler.program import (
    EVALUATE,
    GRADIENTS,
    Constant,
    Entry,
    Graph,
    Node,
    Parameter,
    Program,
    Ref,
    Tensor,
)
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.protocol import State
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.errors import InvalidInput, Refused

FLOAT = Constant("dtype", "float32")
SGD = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 0.1, "momentum": 0.9})


def executor_of(tracing: ModuleType, model: torch.nn.Module, batch: Any, bfloat16: bool = False) -> TorchExecutor:
    program = tracing.trace(model, batch, [len(batch[0])], bfloat16)
    return TorchExecutor(program, tracing.weights_of(model), SGD)


def arrays(batch: Any) -> list[np.ndarray]:
    return [t.numpy() for t in batch]


@pytest.mark.parametrize("name", ["mlp", "conv", "batch norm", "attention", "regression"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_loss_and_gradients_are_those_of_eager_torch(tracing: ModuleType, name: str, bfloat16: bool) -> None:
    """The interpreted joint graph agrees with autograd, parameter by parameter."""
    net, make = tracing.NETS[name]
    model, batch = net(), make(6)
    executor = executor_of(tracing, model, batch, bfloat16)
    got = executor.gradients(arrays(batch), seed=1, step=0, replica=0)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        loss = model.train()(*batch)
    loss.backward()
    close = {"rtol": 0.1, "atol": 0.03} if bfloat16 else {"rtol": 1e-4, "atol": 1e-6}
    assert got.loss == pytest.approx(loss.item(), rel=2e-2 if bfloat16 else 1e-5)
    for parameter, gradient in zip(model.parameters(), got.tensors, strict=False):
        torch.testing.assert_close(gradient.clone(), parameter.grad, **close)


def test_buffers_follow_training(tracing: ModuleType) -> None:
    """The running statistics of a batch norm after three steps are those of eager torch."""
    model, batch = tracing.BatchNormNet(), tracing.samples(6)
    executor = executor_of(tracing, model, batch)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    model.train()
    for step in range(3):
        executor.apply(executor.gradients(arrays(batch), seed=1, step=step, replica=0).tensors, step)
        optimizer.zero_grad()
        model(*batch).backward()
        optimizer.step()
    weights = executor.state().weights
    assert weights["norm.num_batches_tracked"] == 3
    np.testing.assert_allclose(weights["norm.running_var"], model.norm.running_var.numpy(), rtol=1e-4)
    np.testing.assert_allclose(weights["one.weight"], model.one.weight.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_evaluate_gives_sums_over_rows(tracing: ModuleType) -> None:
    """The loss of an evaluation is weighted by its rows, so that batches of any size add up."""
    model, batch = tracing.Mlp(0.5), tracing.samples(6)
    sums = executor_of(tracing, model, batch).evaluate(arrays(batch))
    assert sums == {"rows": 6.0, "loss": pytest.approx(6 * model.eval()(*batch).item(), rel=1e-5)}


def test_dropout_is_a_function_of_seed_step_and_replica_only(tracing: ModuleType) -> None:
    """Equal keys draw equal masks whatever torch's global generator does; any other key draws others."""
    batch = tracing.samples(6)
    executor = executor_of(tracing, tracing.Mlp(0.5), batch)

    def loss(seed: int = 1, step: int = 2, replica: int = 3) -> float:
        return executor.gradients(arrays(batch), seed=seed, step=step, replica=replica).loss

    before = torch.get_rng_state()
    first = loss()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert loss() == first
    assert len({first, loss(seed=2), loss(step=3), loss(replica=4)}) == 4


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
def test_dropout_drops_its_share_and_scales_the_rest(rate: float) -> None:
    """Of a million ones the share dropped is within five standard deviations, and the mean stays one."""
    ones = np.ones((1000, 1001), np.float32)
    node = Node("aten.native_dropout.default", (Ref(0), rate, True), {}, (1, 2))
    total = Node("aten.mean.default", (Ref(1),), {}, (3,))
    kept = Node("aten._to_copy.default", (Ref(2),), {"dtype": FLOAT}, (4,))
    share = Node("aten.sum.default", (Ref(4),), {}, (5,))
    outputs = {"loss": Ref(3), "metric/kept/sum": Ref(5), "metric/kept/count": Ref(3)}
    graph = Graph((node, total, kept, share), outputs)
    program = Program((), (Tensor("x", (1001,), "float32"),), {Entry(EVALUATE, 1000): graph})
    sums = TorchExecutor(program, {}).evaluate([ones])
    deviation = 5 * np.sqrt(rate * (1 - rate) / ones.size)
    assert sums["metric/kept/sum"] / ones.size == pytest.approx(1 - rate, abs=deviation)
    assert sums["loss"] / 1000 == pytest.approx(1, abs=deviation / (1 - rate))


def test_data_is_cast_on_arrival(tracing: ModuleType) -> None:
    """float16 images and int32 labels, read-only and badly aligned, train a float32 model."""
    model, batch = tracing.Mlp(), tracing.samples(6)
    data = batch[0].half()
    executor = executor_of(tracing, model, (data.float(), batch[1]))
    expected = executor.gradients([data.float().numpy(), batch[1].numpy()], seed=0, step=0, replica=0)
    odd = np.frombuffer(b"x" * 4 + data.float().numpy().tobytes(), np.float32, offset=4).reshape(6, 12)
    for images in (data.numpy(), odd):
        got = executor.gradients([images, batch[1].numpy().astype(np.int32)], seed=0, step=0, replica=0)
        assert got.loss == expected.loss
        assert all(torch.equal(a, b) for a, b in zip(got.tensors, expected.tensors, strict=True))


def test_a_label_out_of_range_is_named(tracing: ModuleType) -> None:
    """The error names the field, its values, what the model takes, the operation and the user's line."""
    batch = tracing.samples(6)
    executor = executor_of(tracing, tracing.Mlp(), batch)
    labels = np.array([3, 4, 12, 3, 4, 3])
    with pytest.raises(InvalidInput) as caught:
        executor.gradients([batch[0].numpy(), labels], seed=0, step=0, replica=0)
    assert "label out of range: field 'labels' has values 3..12, the model takes 0..4" in caught.value.what
    assert "aten.gather.default" in caught.value.what
    assert caught.value.where == "model.py:7"


def test_a_token_out_of_range_is_named(tracing: ModuleType) -> None:
    """An embedding's index out of range is said the same way."""
    batch = tracing.tokens(4)
    executor = executor_of(tracing, tracing.Attention(), batch)
    with pytest.raises(InvalidInput, match="field 'data' has values -1"):
        executor.gradients([batch[0].numpy() - 1, batch[1].numpy()], seed=0, step=0, replica=0)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ([np.zeros((5, 12), np.float32), np.zeros(5, np.int64)], "no gradients graph for 5 samples"),
        ([np.zeros((6, 11), np.float32), np.zeros(6, np.int64)], "field 'data' has samples of shape"),
        ([np.zeros((6, 12), np.float32)], "a batch has 1 fields; the model takes 2"),
        ([], "a batch has 0 fields"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(tracing: ModuleType, batch: Any, said: str) -> None:
    """Rows, shapes and fields are checked before anything runs."""
    executor = executor_of(tracing, tracing.Mlp(), tracing.samples(6))
    with pytest.raises(InvalidInput, match=said):
        executor.gradients(batch, seed=0, step=0, replica=0)


def test_a_state_continues_bit_for_bit(tracing: ModuleType) -> None:
    """Saved after two steps and loaded elsewhere, training gives the same bits as without the break."""
    batch = tracing.samples(6)
    straight, broken = (executor_of(tracing, tracing.Mlp(0.2), batch) for _ in range(2))

    def train(executor: TorchExecutor, steps: range) -> None:
        for step in steps:
            executor.apply(executor.gradients(arrays(batch), seed=1, step=step, replica=0).tensors, step)

    train(straight, range(5))
    train(broken, range(2))
    saved = broken.state()
    train(broken, range(2, 4))
    broken.load(saved)
    train(broken, range(2, 5))
    for name, array in straight.state().weights.items():
        np.testing.assert_array_equal(array, broken.state().weights[name])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w | {"extra": np.zeros(1)}, "the model has no parameter 'extra'"),
        (lambda w: {k: v for k, v in w.items() if k != "layers.0.bias"}, "no values were given .*'layers.0.bias'"),
        (lambda w: w | {"layers.0.bias": np.zeros(3, np.float32)}, "has shape \\(16,\\), the values have \\(3,\\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(tracing: ModuleType, change: Any, said: str) -> None:
    """The tensor is named, and the weights stay what they were."""
    executor = executor_of(tracing, tracing.Mlp(), tracing.samples(6))
    before = executor.state().weights
    zeros = {name: np.zeros_like(array) for name, array in before.items()}
    with pytest.raises(InvalidInput, match=said):
        executor.load(State(change(zeros)))
    for name, array in executor.state().weights.items():
        np.testing.assert_array_equal(array, before[name])


def test_the_state_of_another_optimizer_is_refused(tracing: ModuleType) -> None:
    """A checkpoint of SGD does not continue as Adam."""
    batch = tracing.samples(6)
    sgd = executor_of(tracing, tracing.Mlp(), batch)
    adam = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 0.1})
    with pytest.raises(InvalidInput, match="the state of sgd, the params ask for adam"):
        TorchExecutor(sgd.program, sgd.state().weights, adam).load(sgd.state())


def test_gradients_may_be_computed_from_many_threads(tracing: ModuleType) -> None:
    """Four threads at once give the bits that one gives."""
    batch = tracing.samples(6)
    executor = executor_of(tracing, tracing.Mlp(0.3), batch)
    expected = [executor.gradients(arrays(batch), seed=1, step=s, replica=0).loss for s in range(40)]
    found: dict[int, list[float]] = {}

    def work(thread: int) -> None:
        found[thread] = [executor.gradients(arrays(batch), seed=1, step=s, replica=0).loss for s in range(40)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(losses == expected for losses in found.values())


def test_an_operation_outside_the_library_never_runs() -> None:
    """The executor checks by itself, whatever was checked before."""
    node = Node("aten.from_file.default", ("/etc/passwd",), {}, (1,), "model.py:1")
    program = Program((), (Tensor("x", (), "float32"),), {Entry(EVALUATE, 1): Graph((node,), {"loss": Ref(1)})})
    with pytest.raises(Refused, match="from_file"):
        TorchExecutor(program, {})


def test_max_pool_indices_that_nothing_made_are_refused() -> None:
    """Torch would write wherever the indices point; the executor looks first."""
    pool = (Ref(0), Ref(0), (2, 2), (2, 2), (0, 0), (1, 1), False, Ref(1))
    node = Node("aten.max_pool2d_with_indices_backward.default", pool, {}, (2,), "model.py:1")
    inputs = (Tensor("x", (1, 2, 2), "float32"), Tensor("at", (1, 2, 2), "int64"))
    program = Program((), inputs, {Entry(EVALUATE, 1): Graph((node,), {"loss": Ref(2)})})
    batch = [np.zeros((1, 1, 2, 2), np.float32), np.full((1, 1, 2, 2), 2**40)]
    with pytest.raises(InvalidInput, match="do not belong"):
        TorchExecutor(program, {}).evaluate(batch)


def test_gradients_never_share_memory_with_weights() -> None:
    """Where a gradient is a weight itself, the executor hands out a copy: clipping must not reach the weight."""
    double = Node("aten.mul.Tensor", (Ref(0), Ref(2)), {}, (3,))
    loss = Node("aten.sum.default", (Ref(3),), {}, (4,))
    view = Node("aten.view.default", (Ref(0), (2,)), {}, (5,))
    graph = Graph((double, loss, view), {"loss": Ref(4), "grad/a": Ref(5), "grad/b": Ref(5)})
    parameters = tuple(Parameter(Tensor(name, (2,), "float32")) for name in "ab")
    program = Program(parameters, (Tensor("x", (), "float32"),), {Entry(GRADIENTS, 2): graph})
    executor = TorchExecutor(program, {name: np.ones(2, np.float32) for name in "ab"}, SGD)
    first, second = executor.gradients([np.ones(2, np.float32)], seed=0, step=0, replica=0).tensors
    with torch.inference_mode():
        first.zero_()
    assert second.tolist() == [1, 1]
    assert executor.state().weights["a"].tolist() == [1, 1]
