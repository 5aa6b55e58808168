"""RecipeLoader: a recipe as a loader of torch tensors."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from clients.pytorch import RecipeLoader
from wire.errors import InvalidInput


@pytest.fixture
def section(tmp_path):
    """Ten samples: pixels that land as float16, and labels."""
    pixels, label = np.arange(20, dtype=np.uint8).reshape(10, 2), np.arange(10, dtype=np.int32)
    np.savez(tmp_path / "data.npz", pixels=pixels, label=label)
    columns = {"pixels": {"scale": 0.5, "offset": -1.0, "lands_as": "float16"}, "label": {}}
    return {"format": "npz", "data_dir": str(tmp_path), "columns": columns, "batch_size": 4}


def test_batches_are_named_and_have_landed(section):
    """Fields come in the recipe's order, scaled and cast."""
    batch = next(iter(RecipeLoader(section, "train_input", training=True)))
    inputs, labels = batch
    assert batch._fields == ("pixels", "label")
    assert (inputs.dtype, labels.dtype) == (torch.float16, torch.int32)
    torch.testing.assert_close(inputs[1], torch.tensor([0.0, 0.5], dtype=torch.float16))


def test_training_drops_the_last_batch_and_evaluation_keeps_it(section):
    """Ten samples are two full batches, and a third of two."""
    train, evaluation = (RecipeLoader(section, "x", training=t) for t in (True, False))
    assert [len(b.label) for b in train] == [4, 4]
    assert [len(b.label) for b in evaluation] == [4, 4, 2]
    assert (len(train), len(evaluation)) == (2, 3)
    assert torch.cat([b.label for b in evaluation]).tolist() == list(range(10))


def test_the_section_goes_before_the_default(section):
    """drop_last_batch in the params decides."""
    assert len(RecipeLoader({**section, "drop_last_batch": True}, "x", training=False)) == 2


@pytest.mark.parametrize("start", range(7))
def test_a_stream_goes_on_at_any_step(section, start):
    """The stream from a step on is the tail of the stream from the start, over epochs."""
    loader = RecipeLoader({**section, "shuffle": True}, "x", training=True)
    whole = [b.label.tolist() for b in islice(loader.stream(0, seed=5), 9)]
    assert [b.label.tolist() for b in islice(loader.stream(start, seed=5), 9 - start)] == whole[start:]
    assert whole[0] != whole[2]


def test_a_wrong_section_is_refused(section):
    """An unknown key is refused with the nearest."""
    with pytest.raises(InvalidInput, match="did you mean 'shuffle'"):
        RecipeLoader({**section, "shufle": True}, "train_input", training=True)
