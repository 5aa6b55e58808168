"""FC-MNIST in TensorFlow: the reference project, on real MNIST."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from clients.fc_mnist.tf import data, model
from clients.fc_mnist.tf.run import main
from clients.fc_mnist.tf.utils import set_defaults
from clients.tensorflow.plain_checkpoints import every
from wire.errors import InvalidInput

ROOT = Path(__file__).parents[3]
PROJECT = ROOT / "clients" / "fc_mnist" / "tf"


def params(**model_keys):
    section = {"data_dir": str(ROOT / "data" / "mnist"), "batch_size": 32, "eval_batch_size": 64}
    return set_defaults({"train_input": section, "model": {"hidden_sizes": [20], **model_keys}, "optimizer": {}})


def test_it_trains_evaluates_and_predicts(tmp_path, monkeypatch, capsys):
    """200 steps with the shipped params tell most digits apart, and the two modes that follow see them."""
    monkeypatch.chdir(PROJECT)
    for words in ("--mode train --max_steps 200", "--mode eval --eval_steps 39", "--mode predict"):
        monkeypatch.setattr(sys, "argv", ["run.py", *words.split(), "-o", str(tmp_path)])
        main()
    out = capsys.readouterr().out
    assert re.search(r"INFO:tensorflow:global step 100: loss = \d\.\d{4} \(\d+\.\d\d steps/sec\)", out)
    assert re.search(r"Training finished with 51200 samples in [\d.]+ seconds, [\d.]+ samples/second\.", out)
    accuracy = re.search(r"Saving dict for global step 200: accuracy = ([\d.]+)", out)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.93
    with np.load(tmp_path / "predict" / "predictions.npz") as made:
        assert made["probabilities"].shape == (9984, 10)
        assert (made["probabilities"].argmax(1) == made["classes"]).all()


def test_run_py_is_started_by_its_path_and_never_loads_torch(tmp_path):
    """`python run.py --mode train` works in its folder, and a TensorFlow project needs no PyTorch."""
    program = "import runpy, sys; sys.argv[0] = 'run.py'; runpy.run_path('run.py', run_name='__main__')"
    program += "; import clients.tensorflow as c; [getattr(c, n) for n in c.__all__]; print('torch' in sys.modules)"
    words = ["--mode", "train", "--max_steps", "2", "-o", str(tmp_path)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert [path.rpartition("-")[2] for path in every(tmp_path)] == ["0", "2"]


def test_the_input_is_real_and_complete():
    """The test set in order, normalised; a batch size of the mode's own goes first."""
    batches = list(data.eval_input_fn(params()).as_numpy_iterator())
    pixels = np.concatenate([image for image, _ in batches])
    assert (pixels.shape, pixels.dtype, batches[0][1].dtype) == ((156 * 64, 784), np.float32, np.int32)
    assert batches[0][1][:5].tolist() == [7, 2, 1, 0, 4]
    assert pixels.mean() == pytest.approx(0, abs=0.02)
    assert pixels.std() == pytest.approx(1, abs=0.02)


def test_the_training_input_is_shuffled_and_endless():
    """A batch has its fixed shape; with shuffle off the order is that of the files."""
    dataset = data.train_input_fn(params())
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[32, 784], [32]]
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY or dataset.cardinality() < 0
    plain = params()
    plain["train_input"]["shuffle"] = False
    ordered, shuffled = (next(made.as_numpy_iterator())[1] for made in (data.train_input_fn(plain), dataset))
    assert ordered[:5].tolist() == [5, 0, 4, 1, 9]
    assert ordered.tolist() != shuffled.tolist()


def build(mode="train", **keys):
    given = params(**keys)
    given["optimizer"].update(keys.get("optimizer", {}), learning_rate=0.01)
    with tf.Graph().as_default() as graph:
        tf.compat.v1.train.get_or_create_global_step()
        features = tf.compat.v1.placeholder(tf.float32, [8, 784])
        labels = tf.compat.v1.placeholder(tf.int32, [8])
        return model.model_fn(features, labels, mode, given), graph


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "selu", "linear"])
@pytest.mark.parametrize("optimizer", ["adam", "SGD"])
def test_activations_and_optimizers_of_the_documents(activation, optimizer):
    """Each is in the graph where the params ask for it."""
    _, graph = build(activation_fn=activation, optimizer={"optimizer_type": optimizer})
    kinds = {operation.type for operation in graph.get_operations()}
    assert activation == "linear" or activation.capitalize() in kinds
    assert ("ResourceApplyAdam" in kinds) == (optimizer == "adam")


def test_depth_and_hidden_size_say_the_sizes_too():
    """Two ways to write the same; neither is an error."""
    assert model.hidden_sizes({"depth": 3, "hidden_size": 50}) == [50, 50, 50]
    with pytest.raises(InvalidInput, match=r"model\.depth is missing"):
        model.hidden_sizes({"hidden_size": 50})


def test_mixed_precision_keeps_weights_in_float32():
    """Layers compute in float16; weights and loss do not."""
    spec, graph = build(mixed_precision=True)
    products = [operation for operation in graph.get_operations() if operation.type == "MatMul"]
    assert {operation.outputs[0].dtype for operation in products} == {tf.float16}
    assert spec.loss.dtype == tf.float32
    with graph.as_default():
        assert {variable.dtype for variable in tf.compat.v1.trainable_variables()} == {tf.float32}


@pytest.mark.parametrize(
    ("keys", "message"),
    [({"activation_fn": "rleu"}, "did you mean 'relu'"), ({"optimizer": {"optimizer_type": "adm"}}, "mean 'adam'")],
)
def test_unknown_names_are_refused(keys, message):
    """The nearest name is given."""
    with pytest.raises(InvalidInput, match=message):
        build(**keys)


def test_the_shipped_params_say_what_the_documents_say():
    """784-500-300-10, batch 256, dropout 0.2, Adam."""
    shipped = yaml.safe_load((PROJECT / "configs" / "params.yaml").read_text())
    assert (shipped["model"]["hidden_sizes"], shipped["model"]["dropout"]) == ([500, 300], 0.2)
    assert (shipped["train_input"]["batch_size"], shipped["optimizer"]["optimizer_type"]) == (256, "adam")
