"""Two users' TensorFlow projects, ported from CSoft, in two styles: trained, killed, resumed, evaluated, predicted.

shapes: Keras layers, a dict of features, batch normalization, clipped gradients, a schedule, host_call. towers: plain
variables, nested dicts, two optimizers, loss scaling, TFRecord files cut by input_context, eval_metric_ops.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.faults.marked import marked, words_of
from tests.e2e.harness import TWO, Finished, Service, python, weights_digest
from tests.e2e.stage import Stage, ledger, until
from tests.e2e.tf_projects.shapes import data as drawings
from tests.e2e.tf_projects.towers import records
from wafer_sim import checkpoints

pytestmark = pytest.mark.e2e

PROJECTS = Path(__file__).parent / "tf_projects"
STEPS, EVERY = 240, 40
ALIKE = 60
"""Steps for which one replica is compared with two."""

_SAID = re.compile(r"Saving dict for global step \d+: (.*)")


@dataclass(frozen=True)
class Project:
    """A user's folder. options: what its data needs on the command line. calm: what makes a batch its samples' sum."""

    folder: Path
    options: tuple[str, ...] = ()
    calm: tuple[str, ...] = ()

    def run(self, service: Service, model_dir: Path, *options: str) -> Finished:
        done = service.run("--model_dir", str(model_dir), *options, *self.options, cwd=self.folder)
        assert done.code == 0, done.said
        return done

    def run_here(self, model_dir: Path, *options: str) -> Finished:
        command = ("run.py", "--params", "configs/params.yaml", "--model_dir", str(model_dir), *options)
        done = python(*command, *self.options, cwd=self.folder)
        assert done.code == 0, done.said
        return done


@pytest.fixture(scope="module", params=["shapes", "towers"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    if request.param == "shapes":
        return Project(PROJECTS / "shapes", calm=("model.dropout", "0.0", "model.batch_norm", "False"))
    folder = tmp_path_factory.mktemp("records")
    records.write(folder)
    keys = ("train_input.data_dir", "eval_input.data_dir")
    return Project(PROJECTS / "towers", tuple(part for key in keys for part in (key, str(folder))))


@pytest.fixture(scope="module")
def whole(project: Project, shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of an undisturbed run of two replicas with one worker."""
    model_dir = tmp_path_factory.mktemp("whole")
    project.run(shared_service, model_dir, *TWO, "--num_workers", "1")
    return model_dir


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "stage")
    yield stage
    stage.stop()


def test_killed_and_resumed_it_is_the_same_model(project: Project, whole: Path, stage: Stage, tmp_path: Path) -> None:
    """The wafer process is killed in the first half and a worker in the second, with other workers: the same bits."""
    model_dir = tmp_path / "m"
    plan: list[tuple[int, str, int, Callable[[], None]]] = [
        (STEPS // 2, "2", EVERY, stage.kill_wafer),
        (STEPS, "2", STEPS // 2 + EVERY, lambda: kill_worker(stage)),
    ]
    for last, workers, at, kill in plan:
        options = (*TWO, "--max_steps", str(last), "--num_workers", workers, *project.options)
        chief = stage.chief(project.folder, model_dir, *options, params="configs/params.yaml")
        until((model_dir / f"checkpoint_{at}" / "manifest.json").exists, f"checkpoint_{at}")
        kill()
        assert chief.wait(120) == 0, stage.said()
        assert checkpoints.read(model_dir / f"checkpoint_{last}").step == last
    assert weights_digest(model_dir, STEPS) == weights_digest(whole, STEPS)
    assert summaries(model_dir) == summaries(whole)
    assert ledger(model_dir).code == 0
    assert "the wafer process was killed by SIGKILL" in (stage.folder / "serve.log").read_text()
    assert "ended with exit code -9" in (stage.folder / "chief.log").read_text()


def test_the_host_call_of_training_writes_summaries(project: Project, whole: Path) -> None:
    """Every save_summary_steps steps, what its function makes of tensors that come from the wafer."""
    found = summaries(whole)
    if project.folder.name == "towers":  # has no host_call
        assert not found
        return
    names, steps = ("gradient_norm", "learning_rate", "loss"), range(EVERY, STEPS + 1, EVERY)
    assert sorted(found) == [(f"train/{name}", step) for name in names for step in steps]
    slope = (0.05 - 0.001) / STEPS
    rates = [found["train/learning_rate", step] for step in steps]
    assert rates == pytest.approx([0.05 - slope * (step - 1) for step in steps], rel=1e-4)
    assert found["train/loss", STEPS] < found["train/loss", EVERY]


def summaries(model_dir: Path) -> dict[tuple[str, int], float]:
    """(tag, step) -> value, of the event files in a model_dir; each step of a tag is there once."""
    found: list[tuple[tuple[str, int], float]] = []
    for file in sorted(model_dir.glob("events.out.tfevents.*")):
        events = [tf.compat.v1.Event.FromString(each.numpy()) for each in tf.data.TFRecordDataset(str(file))]
        found += [((value.tag, event.step), value.simple_value) for event in events for value in event.summary.value]
    assert len(dict(found)) == len(found)
    return dict(found)


def kill_worker(stage: Stage) -> None:
    """One of the chief's workers is gone at once."""
    workers = [each for each in marked(stage.mark) if "streamer.cli" in words_of(each)]
    workers[0].kill()


def test_an_evaluation_is_the_same_on_the_system_and_off_it(
    project: Project, whole: Path, shared_service: Service
) -> None:
    """Every metric of the wafer's agrees with plain TensorFlow's, from model.ckpt-N beside the checkpoint."""
    on_the_wafer = metrics(project.run(shared_service, whole, "--mode", "eval"))
    assert metrics(project.run_here(whole, "--mode", "eval")) == pytest.approx(on_the_wafer, rel=1e-5)
    assert on_the_wafer["global_step"] == STEPS


def metrics(done: Finished) -> dict[str, float]:
    said = _SAID.search(done.out)
    assert said is not None, done.said
    return {name: float(value) for name, value in (pair.split(" = ") for pair in said[1].split(", "))}


def test_predictions_are_made_off_the_system_from_what_the_wafer_trained(
    project: Project, whole: Path, shared_service: Service
) -> None:
    """One for each sample of the evaluation data, better than chance; on the system it is refused in a sentence."""
    project.run_here(whole, "--mode", "predict")
    with np.load(whole / "predict" / "predictions.npz") as held:
        made = {name: held[name] for name in held.files}
    assert right(made, project) > 0.6
    refused = service_run(project, shared_service, whole, "--mode", "predict")
    assert refused.code == 1
    assert "off the system only" in refused.err


def service_run(project: Project, service: Service, model_dir: Path, *options: str) -> Finished:
    return service.run("--model_dir", str(model_dir), *options, *project.options, cwd=project.folder)


def right(made: dict[str, np.ndarray], project: Project) -> float:
    """The share of samples that are told rightly, by labels that no model has seen."""
    if project.folder.name == "shapes":
        assert made["probabilities"].shape == (128, 4)
        return float(np.mean(made["shape"] == drawings.drawings(128, seed=2)[2]))
    file = Path(project.options[1]) / "eval-0.tfrecord"
    held = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    liked = np.array([each.features.feature["liked"].float_list.value[0] for each in held])
    assert made["rating"].shape == made["liked"].shape == (250,)
    return float(np.mean((made["liked"] > 0.5) == (liked > 0.5)))


def test_two_replicas_are_one_on_the_same_batches(project: Project, shared_service: Service, tmp_path: Path) -> None:
    """Without dropout and normalization over a batch, weights and slots agree to 1e-3 relative after sixty steps."""
    states = []
    for name, options in (("one", ()), ("two", TWO)):
        count = ("runconfig.num_streams", str(len(states) + 1), "--max_steps", str(ALIKE), "--num_workers", "1")
        project.run(shared_service, tmp_path / name, *options, *count, *project.calm)
        states.append(checkpoints.read(tmp_path / name / f"checkpoint_{ALIKE}").state)
    one, two = ({**state.weights, **state.optimizer} for state in states)
    assert one.keys() == two.keys()
    assert any(not np.array_equal(one[name], two[name]) for name in one)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
