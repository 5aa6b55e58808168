"""What the benchmark of compiling measures, and the size of the models it measures on."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks import compiling
from tests.projects.bert_large.model import Bert


def test_bert_large_is_of_its_size() -> None:
    """24 layers, 1,024 wide, 16 heads: 335,828,796 weights as its params.yaml says; it gives one loss."""
    params = yaml.safe_load((compiling.BERT_LARGE / "configs" / "params.yaml").read_text())
    sizes = {name: value for name, value in params["model"].items() if name != "mixed_precision"}
    with torch.device("meta"):
        net = Bert(**sizes)
        words, masked = torch.zeros(2, sizes["length"], dtype=torch.int64), torch.zeros(2, 20, dtype=torch.int64)
        loss = net(words, words, masked, masked, masked[:, 0])
    assert (len(net.layers), net.layers[0].query.in_features, net.layers[0].heads) == (24, 1024, 16)
    assert sum(math.prod(p.shape) for p in net.parameters()) == 335_828_796
    assert loss.shape == ()


def test_a_process_is_measured_to_its_end(tmp_path: Path) -> None:
    """Its processor time and the most memory it held; one that fails is no measurement."""
    spent = compiling._spent(["-c", "held = b'x' * 2**27; sum(range(10**6))"], tmp_path)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # what a process has from who starts it
    assert 0.125 < spent.memory < 1 + own
    assert 0 < spent.cpu <= 60
    with pytest.raises(AssertionError, match="ended with 3"):
        compiling._spent(["-c", "raise SystemExit(3)"], tmp_path)


def test_times_are_told_without_the_import_and_against_their_targets() -> None:
    """2 s of which 1 s is the import is less than 1.5 s; the memory is the most of any run."""
    one = compiling.Spent(2.0, 9.0, 0.5)
    runs = [compiling.Steps(one, compiling.Spent(5.0, 9.0, 9.5), one)]
    figures = compiling._times("m", runs, (1.0, 1.0, 0.5), (1.5, 3.0, None))
    assert [(f.values[0], f.met) for f in figures if "import" in f.name] == [(1.0, True), (4.0, False), (1.5, None)]
    assert (figures[-1].values[0], figures[-1].met) == (9.5, False)
