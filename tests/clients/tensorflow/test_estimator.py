"""CerebrasEstimator: its arguments, and where its work is done."""

from __future__ import annotations

import pytest
import small_project

from clients.tensorflow import CerebrasEstimator, CSRunConfig, RunConfig, backends
from wire.errors import InvalidInput


def test_the_class_is_called_as_csoft_calls_it():
    """Public wrappers look at the names of classes."""
    assert (CerebrasEstimator.__name__, CSRunConfig.__name__) == ("CerebrasEstimator", "CSRunConfig")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "where checkpoints go"), ({"config": {"model_dir": "m"}}, "config is a dict")],
)
def test_wrong_arguments_are_refused(arguments, message):
    """Each error says what to pass."""
    with pytest.raises(InvalidInput, match=message):
        CerebrasEstimator(small_project.line, **arguments)


def test_the_model_dir_is_absolute_and_the_argument_goes_first(tmp_path, monkeypatch):
    """A folder of the config is taken where there is no other."""
    monkeypatch.chdir(tmp_path)
    config = RunConfig(model_dir="of_config")
    assert CerebrasEstimator(small_project.line, config=config).model_dir == str(tmp_path / "of_config")
    assert CerebrasEstimator(small_project.line, "given", config).model_dir == str(tmp_path / "given")


@pytest.mark.parametrize("counts", [{"steps": 1, "max_steps": 2}, {"steps": 0}, {"max_steps": 2.5}, {"steps": True}])
def test_wrong_counts_are_refused(tmp_path, counts):
    """Steps are whole numbers of 1 or more, and only one of the two is given."""
    with pytest.raises(InvalidInput):
        CerebrasEstimator(small_project.line, tmp_path).train(small_project.points, **counts)


def test_the_system_without_an_address_is_an_error(tmp_path):
    """use_cs=True goes before the config, which then has to say where the system is; nothing is begun."""
    model = CerebrasEstimator(small_project.line, tmp_path, CSRunConfig())
    for work in (
        lambda: model.train(small_project.points, steps=1, use_cs=True),
        lambda: model.evaluate(small_project.points, use_cs=True),
    ):
        with pytest.raises(InvalidInput, match="nothing says where the system is"):
            work()
    assert list(tmp_path.iterdir()) == []


def test_use_cs_false_goes_before_cs_ip(tmp_path):
    """Work can be kept in this process."""
    model = CerebrasEstimator(small_project.line, tmp_path, CSRunConfig("10.0.0.1"))
    model.train(small_project.points, steps=1, use_cs=False)
    assert (tmp_path / "model.ckpt-1.index").exists()


def test_the_system_has_one_door(tmp_path, monkeypatch):
    """A backend behind SYSTEM gets all that was asked, and its answer is the estimator's."""
    asked = []

    class Recorded:
        def evaluate(self, setup, evaluation):
            asked.append((setup.model_dir, evaluation.steps, evaluation.checkpoint_path))
            return {"loss": 1.0}

    monkeypatch.setattr(backends, "SYSTEM", Recorded)
    model = CerebrasEstimator(small_project.line, tmp_path, CSRunConfig("10.0.0.1"))
    assert model.evaluate(small_project.points, steps=3, checkpoint_path="c") == {"loss": 1.0}
    assert asked == [(tmp_path, 3, "c")]


def test_a_mode_to_compile_for_must_exist(tmp_path):
    """A misspelt mode is named."""
    with pytest.raises(InvalidInput, match="did you mean 'train'"):
        CerebrasEstimator(small_project.line, tmp_path).compile(small_project.points, mode="trian")
