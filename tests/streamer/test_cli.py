"""The command line: quick help, one screen for an error, and `inspect`."""

import subprocess
import sys

import numpy as np
import pytest

from streamer import cli
from streamer.inspect import advice, facts, open_source
from wire.errors import InvalidInput, NotFound

DATA = """
import torch
from torch.utils.data import DataLoader, TensorDataset

def get_train_dataloader(params):
    rows = torch.arange(params["train_input"]["rows"])
    return DataLoader(TensorDataset(rows), 4)

def walked(params):
    return [torch.zeros(4, 2)] * 3
"""

PIPELINE = """import tensorflow as tf

def late(params):
    return tf.data.Dataset.range(12).batch(4, drop_remainder=True).shuffle(3)
"""


@pytest.fixture
def stored(tmp_path):
    np.savez(tmp_path / "x.npz", image=np.zeros((30, 4, 4), np.uint8), label=np.zeros(30, np.int64))
    return str(tmp_path / "x.npz")


def _main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_help_is_light():
    """--help imports neither torch nor pyarrow nor grpc nor numpy."""
    code = (
        "import sys; sys.argv = ['streamer', 'worker', '--help']\n"
        "from streamer.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n"
        "    heavy = {'torch', 'pyarrow', 'grpc', 'numpy'} & set(sys.modules)\n"
        "    sys.exit(f'imported {heavy}' if heavy or ended.code else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--coordinator" in done.stdout and "--shard" in done.stdout and "--session" not in done.stdout


def test_error_is_one_screen(monkeypatch, capsys, tmp_path):
    """A Fault is told on stderr without a traceback, and the exit code is 1; --traceback shows where it came from."""
    assert _main(monkeypatch, "inspect", str(tmp_path / "none")) == 1
    assert capsys.readouterr().err == f"error: there is no {tmp_path}/none\n"
    monkeypatch.setattr(sys, "argv", ["streamer", "inspect", str(tmp_path / "none"), "--traceback"])
    with pytest.raises(NotFound):
        cli.main()


def test_interrupt(monkeypatch):
    """Ctrl-C ends with 130, as a shell expects."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("streamer.inspect.inspect_source", interrupted)
    assert _main(monkeypatch, "inspect", "x") == 130


def test_inspect_prints_a_table(monkeypatch, capsys, stored):
    """inspect says fields, rows, bytes and rates."""
    monkeypatch.setattr("streamer.inspect._SECONDS", 0.01)
    assert _main(monkeypatch, "inspect", stored) == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("uint8 4x4", "int64 scalar", "30", "24 a sample", "samples/s", "at random"))


def test_facts_of_a_loader(tmp_path, monkeypatch):
    """A user's loader is named by file, called with the params, and said to be read by row or walked."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "inspected_data.py").write_text(DATA)
    (tmp_path / "p.yaml").write_text("train_input: {rows: 12}")
    opened = open_source(str(tmp_path / "inspected_data.py"), tmp_path / "p.yaml", None, "train_input")
    found = dict(facts(opened, 0.01))
    assert found["rows"] == "12" and found["read"] == "by row, in any order"
    walked = dict(facts(open_source(f"{tmp_path}/inspected_data.py:walked", None, None, "train_input"), 0.01))
    assert "because a list is no torch DataLoader" in walked["read"]
    with pytest.raises(InvalidInput, match="KeyError: 'train_input'"):
        open_source(str(tmp_path / "inspected_data.py"), None, None, "train_input")


def test_inspect_advises_on_a_dataset(tmp_path, monkeypatch):
    """What makes a user's pipeline slow is said with their line; a torch loader has none."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "advised_data.py").write_text(PIPELINE + DATA)
    (tmp_path / "p.yaml").write_text("train_input: {rows: 12}")

    def said(name):
        source = f"{tmp_path}/advised_data.py:{name}"
        opened = open_source(source, tmp_path / "p.yaml", None, "train_input")
        return list(advice(source, tmp_path / "p.yaml", opened, "train_input"))

    heading, remark = said("late")
    assert heading == "Suggestions to improve input_fn performance:"
    assert remark.startswith("  advised_data.py:4: shuffle() behind batch()")
    assert said("get_train_dataloader") == []


def test_section_of_params_is_the_recipe(stored, tmp_path):
    """With --params the columns of the section are those that are shown."""
    (tmp_path / "p.yaml").write_text("eval_input: {format: npz, columns: {label: {dtype: int8}}}")
    opened = open_source(stored, tmp_path / "p.yaml", None, "eval_input")
    assert str(opened.spec) == "label: int8()"


@pytest.mark.parametrize(("text", "message"), [("a: [", "no YAML"), ("[]", "no mapping")])
def test_bad_params(stored, tmp_path, text, message):
    """A params file that is no mapping is told by name."""
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        open_source(stored, tmp_path / "p.yaml", None, "train_input")


def test_unknown_format(tmp_path):
    """A folder that does not tell its format asks for --format."""
    with pytest.raises(InvalidInput, match="does not tell its format"):
        open_source(str(tmp_path), None, None, "train_input")
