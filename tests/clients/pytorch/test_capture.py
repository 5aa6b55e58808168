"""Capture: the program computes what the model computes, and says where a model cannot be captured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import CLASSES, FEATURES, Model, Net, make_batch, make_params
from torch import nn
from torch.nn import functional

from clients.pytorch.capture import capture, initial_weights
from clients.pytorch.metrics import let_see
from clients.pytorch.precision import arrived, mixed_precision
from wafer_sim.compiler.precision import narrow_of
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.errors import InvalidInput, Refused

TRAIN = Entry(GRADIENTS, 6)


def line_of(text: str, file: str = __file__) -> str:
    """Name and number of the line of a file that holds a text, as errors name it."""
    lines = Path(file).read_text().splitlines()
    return f"{Path(file).name}:{next(n for n, line in enumerate(lines, 1) if text in line)}"


def eager(model: Model, batch: tuple[torch.Tensor, ...]) -> tuple[float, list[np.ndarray]]:
    """Loss and gradients as PyTorch itself computes them."""
    with mixed_precision(model.precision.off_the_wafer("cpu")):
        loss = model(tuple(map(arrived, batch)))
    return loss.item(), [g.numpy() for g in torch.autograd.grad(loss, list(model.model.parameters()))]


class Norms(nn.Module):
    """Convolution, layer norm, attention and an embedding: many kernels in one net."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3)
        self.norm = nn.LayerNorm(FEATURES - 2)
        self.embed = nn.Embedding(CLASSES, FEATURES - 2)
        self.attention = nn.MultiheadAttention(FEATURES - 2, 2, batch_first=True)
        self.last = nn.Linear(4 * (FEATURES - 2), CLASSES)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy."""
        x = self.norm(functional.gelu(self.conv(inputs.unsqueeze(1)))) + self.embed(labels).unsqueeze(1)
        x, _ = self.attention(x, x, x, need_weights=False)
        return functional.cross_entropy(self.last(x.flatten(1)), labels)


class Activations(nn.Module):
    """Every activation, each over a layer of its own."""

    NAMES = (
        *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign"),
        *("sigmoid", "logsigmoid", "tanh", "tanhshrink", "hardtanh", "hardsigmoid", "hardswish", "softshrink"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(FEATURES, CLASSES) for _ in self.NAMES)
        self.leak = nn.PReLU()

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy of the sum of all."""
        made = [getattr(functional, name)(layer(inputs)) for name, layer in zip(self.NAMES, self.layers, strict=True)]
        return functional.cross_entropy(self.leak(sum(made)), labels)


class Channels(nn.Module):
    """Whole channels are dropped, of noise that torch draws into memory which it has not written."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.drop = nn.Linear(FEATURES, CLASSES), nn.Dropout1d(0.5)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean of what is left of ones, and a lot for each channel of which a part only is left."""
        made = self.last(inputs)
        dropped = self.drop(torch.ones(len(labels), CLASSES, 2))
        return 1e-6 * made.sum() + (dropped[..., 0] - dropped[..., 1]).abs().sum() + dropped.mean()


@pytest.mark.parametrize("net", [Net, Norms])
@pytest.mark.parametrize(
    ("section", "tolerance"),
    [
        ({"mixed_precision": False}, 1e-5),
        ({}, 1e-5),
        ({"use_bfloat16": True}, 2e-2),
        ({"emulate_float16": True}, 2e-3),
    ],
    ids=["float32", "float16", "bfloat16", "float16 emulated"],
)
def test_the_program_computes_what_the_model_computes(net, section, tolerance):
    """Loss and gradients of the captured graph equal eager PyTorch's."""
    params = {**make_params(), "model": section}
    model, batch = Model(params, net()), make_batch()
    program = capture(model, batch, [TRAIN])
    found = TorchExecutor(program, initial_weights(model)).gradients(
        [t.numpy() for t in batch], seed=0, step=0, replica=0
    )
    loss, gradients = eager(model, batch)
    assert found.loss == pytest.approx(loss, abs=tolerance)
    for got, wanted in zip(found.tensors, gradients, strict=True):
        assert got.dtype == torch.float32
        np.testing.assert_allclose(got.numpy(), wanted, atol=tolerance, rtol=tolerance)


def test_every_activation_trains_as_in_torch():
    """Also those whose backward pass asks for the shape of memory that nothing has written: silu and mish."""
    model, batch = Model(net=Activations()), make_batch()
    program = capture(model, batch, [TRAIN])
    found = TorchExecutor(program, initial_weights(model)).gradients(
        [t.numpy() for t in batch], seed=0, step=0, replica=0
    )
    loss, gradients = eager(model, batch)
    assert found.loss == pytest.approx(loss, abs=1e-5)
    for got, wanted in zip(found.tensors, gradients, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-5, rtol=1e-5)


class Unwritten(Net):
    """It adds what happens to lie in memory."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy."""
        return super().forward(inputs + torch.empty(FEATURES), labels)


def test_memory_that_nothing_has_written_is_refused_where_it_is_read():
    """Its shape alone may be asked for."""
    with pytest.raises(Refused, match=r"aten.empty.memory_format.*torch.zeros is the same with defined values"):
        capture(Model(net=Unwritten()), make_batch(), [TRAIN])


def test_whole_channels_are_dropped():
    """Dropout1d draws one number for a channel: its values go together, and the mean stays what it was."""
    model, batch = Model(net=Channels()), make_batch(400)
    program = capture(model, batch, [Entry(GRADIENTS, 400)])
    executor = TorchExecutor(program, initial_weights(model))
    found = executor.gradients([t.numpy() for t in batch], seed=0, step=0, replica=0)
    assert found.loss == pytest.approx(1.0, abs=0.15)
    assert found.loss != executor.gradients([t.numpy() for t in batch], seed=0, step=1, replica=0).loss


@pytest.mark.parametrize(
    ("section", "narrow"),
    [
        ({"mixed_precision": False}, ""),
        ({"mixed_precision": True}, "float16"),
        ({"mixed_precision": True, "emulate_float16": True}, "float16"),
        ({"mixed_precision": True, "use_bfloat16": True}, "bfloat16"),
        ({}, "float16"),
    ],
)
def test_mixed_precision_puts_products_into_a_narrow_dtype(section, narrow):
    """The graph casts to the dtype that the params ask for and to no other; weights stay float32."""
    params = {**make_params(), "model": section}
    program = capture(Model(params), make_batch(), [TRAIN])
    assert {p.tensor.dtype for p in program.parameters} == {"float32"}
    assert narrow_of(program) == narrow
    assert program.emulate_float16 == bool(section.get("emulate_float16"))


def test_an_evaluation_gives_loss_and_metrics():
    """The evaluation graph has the loss and each metric's sum and count, and no dropout."""
    model, batch = Model(net=Net(dropout=0.5)), make_batch(4)
    program = capture(model, batch, [Entry(EVALUATE, 4)])
    sums = TorchExecutor(program, initial_weights(model)).evaluate([t.numpy() for t in batch])
    model.eval()
    wanted = model(tuple(map(arrived, batch))).item()
    assert sums["loss"] / sums["rows"] == pytest.approx(wanted, abs=1e-5)
    assert sums["metric/accuracy/count"] == 4
    assert sums["metric/accuracy/sum"] == pytest.approx(4 * model.model.accuracy.compute())


def test_what_the_host_wants_to_see_comes_off_an_evaluation():
    """A tensor that the model lets be seen is an output of the evaluation graph, and of no training graph."""

    class Seeing(Model):
        def __call__(self, data):
            assert let_see(data[1]) == "0"
            return super().__call__(data)

    model, batch = Seeing(), make_batch(4)
    program = capture(model, batch, [Entry(EVALUATE, 4), Entry(GRADIENTS, 4)])
    sums, seen = TorchExecutor(program, initial_weights(model)).look([t.numpy() for t in batch])
    assert seen["0"].tolist() == batch[1].tolist()
    assert sums["rows"] == 4
    assert not any(name.startswith("observed/") for name in program.graphs[Entry(GRADIENTS, 4)].outputs)
    assert let_see(batch[1]) is None


def test_each_entry_has_its_own_batch_size():
    """A sample of six rows serves graphs of four and of nine rows; inputs are float32 and int64."""
    program = capture(Model(), make_batch(), [Entry(GRADIENTS, 4), Entry(EVALUATE, 9)])
    assert set(program.graphs) == {Entry(GRADIENTS, 4), Entry(EVALUATE, 9)}
    assert [(t.name, t.shape, t.dtype) for t in program.inputs] == [("0", (FEATURES,), "float32"), ("1", (), "int64")]
    weights = initial_weights(Model())
    for rows, entry in ((4, "gradients"), (9, "evaluate")):
        executor = TorchExecutor(program, weights)
        batch = [t.numpy() for t in make_batch(rows)]
        assert executor.evaluate(batch) if entry == "evaluate" else executor.gradients(batch, seed=0, step=0, replica=0)


def test_fields_are_named_by_their_path_or_as_asked():
    """A dict names its fields; names that are given go before."""
    features, labels = make_batch()
    batch = {"inputs": features, "labels": labels}
    assert [t.name for t in capture(Model(), batch, [TRAIN]).inputs] == ["inputs", "labels"]
    assert [t.name for t in capture(Model(), batch, [TRAIN], names=["a", "b"]).inputs] == ["a", "b"]


def test_a_program_is_data_and_the_same_each_time():
    """Two captures give one text; a learning rate or a dropout rate does not change the digest."""
    first, again = (capture(Model(net=Net(dropout=d)), make_batch(), [TRAIN]) for d in (0.1, 0.1))
    other = capture(Model(net=Net(dropout=0.2)), make_batch(), [TRAIN])
    assert first.to_json() == again.to_json()
    assert Program.from_json(first.to_json()) == first
    assert first.digest() == other.digest()
    assert first.to_json() != other.to_json()


def test_forward_operations_carry_the_users_line():
    """Each product of the forward pass names the line of the model that it is from, with and without autocast."""
    wanted = line_of("logits = self.last(", str(Path(__file__).parent / "small_models.py"))
    for mixed in (False, True):
        params = make_params()
        params["model"]["mixed_precision"] = mixed
        graph = capture(Model(params), make_batch(), [TRAIN]).graphs[TRAIN]
        assert {node.source for node in graph.nodes if node.op == "aten.addmm.default"} == {wanted}


def test_the_models_mode_is_left_as_it_was():
    """Capturing an evaluation does not put a model in training out of it."""
    model = Model()
    model.train()
    capture(model, make_batch(), [Entry(EVALUATE, 2)])
    assert (model.mode, model.model.training) == ("train", True)


class Tied(Net):
    """Two names for one weight, a frozen parameter and a constant buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = self.first
        self.frozen = nn.Parameter(torch.ones(FEATURES), requires_grad=False)
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Uses everything."""
        hidden = self.first(inputs * self.frozen) + self.twin(inputs) * self.scale + torch.tensor(0.5)
        return functional.cross_entropy(self.last(hidden), labels)


@pytest.mark.parametrize(("mixed", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_tied_weights_appear_once_and_constants_are_not_trained(mixed, tolerance):
    """A weight with two names is one parameter with one gradient; frozen parameters and buffers have none."""
    params = make_params()
    params["model"]["mixed_precision"] = mixed
    model, batch = Model(params, Tied()), make_batch()
    program = capture(model, batch, [TRAIN])
    names = {p.tensor.name: p.trained for p in program.parameters}
    assert names == {
        "frozen": False,
        "first.weight": True,
        "first.bias": True,
        "last.weight": True,
        "last.bias": True,
        "scale": False,
    }
    assert initial_weights(model).keys() == names.keys()
    found = TorchExecutor(program, initial_weights(model)).gradients(
        [t.numpy() for t in batch], seed=0, step=0, replica=0
    )
    with mixed_precision(model.precision.off_the_wafer("cpu")):
        loss = model(tuple(map(arrived, batch)))
    trained = [p for p in model.model.parameters() if p.requires_grad]
    for got, wanted in zip(found.tensors, torch.autograd.grad(loss, trained), strict=True):
        torch.testing.assert_close(got, wanted, atol=tolerance, rtol=tolerance)


class Sorting(Net):
    """Uses an operation that the wafer has no kernel for."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Multiplies by an inverse."""
        inverse = torch.linalg.inv(self.last.weight @ self.last.weight.T + torch.eye(CLASSES))  # no kernel
        return functional.cross_entropy(self.last(functional.relu(self.first(inputs))) @ inverse, labels)


class Deciding(Net):
    """Decides by the values of its data."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Branches."""
        if inputs.sum() > 0:  # the data decides
            inputs = inputs * 2
        return super().forward(inputs, labels)


class Mistaken(Net):
    """Has a mistake in a shape."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Fails."""
        return super().forward(inputs[:, 1:] @ self.first.weight, labels)  # wrong shape


class Whole(Net):
    """Gives no scalar."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Gives logits."""
        return self.last(self.first(inputs))


class Idle(Net):
    """Has a layer that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(3, 3)


class Cut(Net):
    """Cuts the way back to its first layer."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Detaches."""
        return functional.cross_entropy(self.last(self.first(inputs).detach()), labels)


class Holding(Net):
    """Holds a tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weights_of_mine = torch.ones(FEATURES)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Uses it."""
        return super().forward(inputs * self.weights_of_mine, labels)


class Counting(nn.Module):
    """Changes its buffers while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(FEATURES)
        self.last = nn.Linear(FEATURES, CLASSES)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Normalises by the batch."""
        return functional.cross_entropy(self.last(self.norm(inputs)), labels)


@pytest.mark.parametrize("mixed", [False, True])
def test_an_operation_without_a_kernel_names_the_users_line(mixed):
    """What the wafer cannot run is refused before anything runs, by name and line."""
    params = make_params()
    params["model"]["mixed_precision"] = mixed
    with pytest.raises(Refused) as caught:
        capture(Model(params, Sorting()), make_batch(), [TRAIN])
    assert "aten.linalg_inv_ex" in caught.value.what
    assert line_of("# no kernel") in str(caught.value)


@pytest.mark.parametrize(
    ("net", "error", "message", "line"),
    [
        (Deciding, InvalidInput, "decides by the values of its data", "# the data decides"),
        (Mistaken, InvalidInput, "cannot be captured", "# wrong shape"),
        (Whole, InvalidInput, "a tensor of shape (6, 5)", ""),
        (Idle, InvalidInput, "does not depend on spare.weight, spare.bias", ""),
        (Cut, InvalidInput, "no gradient comes back", ""),
        (Holding, InvalidInput, "weights_of_mine", ""),
        (Counting, Refused, "norm.running_mean", ""),
    ],
)
def test_models_that_cannot_be_captured_say_why(net, error, message, line):
    """Each kind of trouble has its own words, and the user's line where there is one."""
    with pytest.raises(error) as caught:
        capture(Model(net=net()), make_batch(), [TRAIN])
    assert message in caught.value.what
    assert caught.value.where == line_of(line) if line else caught.value.fix


def test_a_model_with_running_statistics_can_be_evaluated():
    """In evaluation mode batch norm changes nothing, so it is captured."""
    model = Model(net=Counting())
    program = capture(model, make_batch(), [Entry(EVALUATE, 6)])
    assert {p.tensor.name for p in program.parameters if not p.trained} >= {"norm.running_mean", "norm.running_var"}


def test_weights_in_half_precision_are_refused():
    """A model that was cast to half precision is told to use mixed precision."""
    with pytest.raises(InvalidInput, match="float16 weights"):
        capture(Model(net=Net().half()), make_batch(), [TRAIN])


@pytest.mark.parametrize("batch", [(torch.ones(()), torch.ones(3)), (["a", "b"], torch.ones(2)), (torch.ones(0, 3),)])
def test_a_batch_must_be_of_tensors_with_samples(batch):
    """Scalars, texts and empty tensors are no batch."""
    with pytest.raises(InvalidInput, match="samples along the first axis"):
        capture(Model(), batch, [TRAIN])
