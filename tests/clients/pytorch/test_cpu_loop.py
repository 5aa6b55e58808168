"""The plain loop: it learns, resumes to the same bits, stops at nan, and evaluates every sample once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import CLASSES, FEATURES, Model, Net, make_params
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from clients.job import Job
from clients.pytorch import cpu_loop, feed
from clients.sections import RunConfig
from wafer_sim import checkpoints
from wire.errors import InvalidInput, NotFound

CPU = torch.device("cpu")


def separable(rows: int = 70) -> TensorDataset:
    """Samples whose label can be read off them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (rows,), generator=generator)
    features = 0.1 * torch.randn(rows, FEATURES, generator=generator)
    features[torch.arange(rows), labels] += 1.0
    return TensorDataset(features, labels)


def make_job(folder: Path, mode: str = "train", **config: Any) -> Job:
    settings = {"log_steps": 10, "save_losses": False, "model_dir": str(folder), **config}
    return Job({}, RunConfig(mode=mode, **settings), Path("p.yaml"), folder, mode)


def shuffled() -> DataLoader:
    return DataLoader(separable(), batch_size=10, shuffle=True, drop_last=True)


def train(folder: Path, net: Net | None = None, loader: Any = None, **config: Any) -> Model:
    torch.manual_seed(3)
    model = Model(make_params(), net or Net(dropout=0.2))
    cpu_loop.train(model, shuffled() if loader is None else loader, make_job(folder, **config), CPU)
    return model


def weights(folder: Path) -> dict[str, np.ndarray]:
    return dict(checkpoints.read(checkpoints.latest(folder)).state.weights)


def test_training_lowers_the_loss(tmp_path, caplog):
    """A small set that can be learned is learned; progress is in CSoft's format."""
    caplog.set_level(logging.INFO)
    train(tmp_path, net=Net(), max_steps=60)
    lines = [r.getMessage() for r in caplog.records if r.name == "clients"]
    losses = [float(line.split("Loss=")[1].split(",")[0]) for line in lines if "Train Device=cpu" in line]
    assert losses[-1] < 0.2 * losses[0]
    assert lines[1].startswith("| Train Device=cpu, Step=10, Loss=")
    assert "samples/sec, GlobalRate=" in lines[1]
    assert lines[-2:] == ["Saved checkpoint at global step: 60", "Training Completed Successfully!"]


@pytest.mark.parametrize("stop", [3, 7, 12])
def test_a_resumed_run_gives_the_same_bits(tmp_path, stop):
    """Shuffling and dropout included, a run in two parts ends with the weights of one in one part."""
    train(tmp_path / "whole", max_steps=20)
    train(tmp_path / "parts", max_steps=stop)
    train(tmp_path / "parts", max_steps=20)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_a_resumed_run_goes_on_with_its_loss_scale(tmp_path, caplog):
    """Emulated float16 overflows at a scale of 2^24: the same skipped steps, scale and bits in one part and in two."""
    caplog.set_level(logging.INFO)
    scaling = {"loss_scaling_factor": "dynamic", "initial_loss_scale": 2.0**24, "max_loss_scale": 2.0**24}
    sections = {"model": {"emulate_float16": True}, "optimizer": make_params()["optimizer"] | scaling}
    for folder, ends in (("whole", [12]), ("parts", [2, 12])):
        for end in ends:
            torch.manual_seed(3)
            model = Model(make_params() | sections, Net())
            cpu_loop.train(model, shuffled(), make_job(tmp_path / folder, max_steps=end), CPU)
    whole, parts = (checkpoints.read(checkpoints.latest(tmp_path / name)).state for name in ("whole", "parts"))
    assert whole.scalars == parts.scalars
    assert 2 < whole.scalars["skipped_steps"] < 12
    assert all(np.array_equal(whole.weights[name], parts.weights[name]) for name in whole.weights)
    assert f"{whole.scalars['skipped_steps']} steps were skipped by loss scaling" in caplog.text


def test_another_seed_gives_other_weights(tmp_path):
    """The seed decides order and dropout."""
    train(tmp_path / "a", max_steps=5)
    train(tmp_path / "b", max_steps=5, seed=2)
    assert not np.array_equal(weights(tmp_path / "a")["last.bias"], weights(tmp_path / "b")["last.bias"])


def test_checkpoints_come_when_asked_and_old_ones_go(tmp_path):
    """Every checkpoint_steps one is written, and keep_checkpoint_max are kept."""
    train(tmp_path, max_steps=11, checkpoint_steps=4, keep_checkpoint_max=2)
    assert sorted(p.name for p in tmp_path.glob("checkpoint_*")) == ["checkpoint_11", "checkpoint_8"]


class Poisoned(IterableDataset):
    """Becomes nan after some samples."""

    def __iter__(self):
        for number in range(100):
            yield torch.full((FEATURES,), float("nan") if number >= 50 else 1.0), number % CLASSES


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    """A loss that is no number ends the run before the weights take it."""
    with pytest.raises(InvalidInput, match="the loss of step 6 is nan") as caught:
        train(tmp_path, loader=DataLoader(Poisoned(), batch_size=10), max_steps=9, checkpoint_steps=2)
    assert "of step 4" in caught.value.fix
    assert checkpoints.latest(tmp_path).name == "checkpoint_4"
    assert all(np.isfinite(array).all() for array in weights(tmp_path).values())


def test_nan_may_pass_when_nobody_asked(tmp_path):
    """With check_loss_values off the run goes on."""
    train(tmp_path, loader=DataLoader(Poisoned(), batch_size=10), max_steps=9, check_loss_values=False)
    assert checkpoints.latest(tmp_path).name == "checkpoint_9"


@pytest.mark.parametrize("batch_size", [7, 16, 70, 100])
def test_evaluation_takes_every_sample_once(tmp_path, batch_size):
    """Loss and accuracy are those of the whole set, whatever the batch size and the last batch."""
    model = train(tmp_path, max_steps=8)
    loader = DataLoader(separable(), batch_size=batch_size)
    found = cpu_loop.evaluate(model, loader, make_job(tmp_path, "eval"), CPU)
    model.eval()
    whole = model(separable().tensors)
    logits = model.model.last(torch.relu(model.model.first(separable().tensors[0])))
    accuracy = (logits.argmax(1) == separable().tensors[1]).float().mean()
    assert found["loss"] == pytest.approx(whole.item(), abs=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy.item())


def test_eval_steps_bounds_an_evaluation(tmp_path):
    """Two batches of ten are twenty samples."""
    model = train(tmp_path, max_steps=1)
    short = DataLoader(TensorDataset(*(t[:20] for t in separable().tensors)), batch_size=10)
    whole = cpu_loop.evaluate(model, short, make_job(tmp_path, "eval"), CPU)
    bounded = cpu_loop.evaluate(model, DataLoader(separable(), 10), make_job(tmp_path, "eval", eval_steps=2), CPU)
    assert bounded == whole


def test_evaluation_without_a_checkpoint_is_refused(tmp_path):
    """There is nothing to evaluate before training."""
    with pytest.raises(NotFound, match="no checkpoint to evaluate"):
        cpu_loop.evaluate(Model(), shuffled(), make_job(tmp_path, "eval"), CPU)


def test_a_pretrained_checkpoint_gives_its_weights_only(tmp_path):
    """With is_pretrained_checkpoint training starts at step 0 without the optimizer's state."""
    train(tmp_path / "first", max_steps=5)
    start = str(checkpoints.latest(tmp_path / "first"))
    train(tmp_path / "second", max_steps=0, checkpoint_path=start, is_pretrained_checkpoint=True)
    begun = checkpoints.read(checkpoints.latest(tmp_path / "second"))
    assert begun.step == 0
    assert not begun.state.optimizer
    assert np.array_equal(begun.state.weights["last.bias"], weights(tmp_path / "first")["last.bias"])


def test_a_checkpoint_of_another_model_names_the_tensor(tmp_path):
    """A tensor that does not fit is named, with both shapes."""
    train(tmp_path, max_steps=1)
    other = Net()
    other.last = torch.nn.Linear(8, CLASSES + 1)
    with pytest.raises(InvalidInput, match=r"'last\.\w+' has shape"):
        train(tmp_path, net=other, max_steps=2)


def test_a_label_out_of_range_names_the_users_line(tmp_path):
    """What the model raises in a step is an error at the user's line."""
    bad = TensorDataset(torch.ones(10, FEATURES), torch.full((10,), CLASSES))
    with pytest.raises(InvalidInput, match="out of bounds") as caught:
        train(tmp_path, loader=DataLoader(bad, batch_size=10), max_steps=1)
    assert caught.value.where.startswith("small_models.py:")


class Raising(IterableDataset):
    """Raises at its third sample."""

    def __iter__(self):
        yield from ((torch.ones(FEATURES), 0),) * 2
        raise KeyError("the third")


def test_a_loader_that_raises_names_the_users_line():
    """What a loader raises is an error at the user's line."""
    batches = feed.feed(DataLoader(Raising(), batch_size=1), 0, seed=1)
    next(batches), next(batches)
    with pytest.raises(InvalidInput, match="raised KeyError") as caught:
        next(batches)
    assert caught.value.where.startswith("test_cpu_loop.py:")


def test_an_empty_loader_is_refused():
    """A loader that gives nothing would give nothing for ever."""
    with pytest.raises(InvalidInput, match="gives no batch"):
        next(feed.feed([], 0, seed=1))


@pytest.mark.parametrize("start", [0, 1, 6, 7, 8, 20])
def test_the_feed_goes_on_anywhere(start):
    """From any step on, the feed gives what it gives without the interruption; loaders without length too."""

    class Unsized:
        def __iter__(self):
            return iter(shuffled())

    for loader in (shuffled(), Unsized()):
        whole = feed.feed(loader, 0, seed=4)
        for _ in range(start):
            next(whole)
        part = feed.feed(loader, start, seed=4)
        for _ in range(9):
            assert torch.equal(next(whole)[1], next(part)[1])
