"""Which task a process is: what each launcher's environment says, and in which order they are asked."""

from __future__ import annotations

import json
import os

import pytest

from clients import working
from clients.roles import WORKERS, Place, explicit, local_workers, place_of, tf_config, workers_of
from wire.errors import InvalidInput

SLURM = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "7", "SLURM_JOB_ID": "41", "SLURM_STEP_ID": "0"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "run"}
TF = {
    "TF_CONFIG": json.dumps(
        {"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 1}}
    )
}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, Place()),
        ({"WAFER_RANK": "1", "WAFER_TASKS": "3", "WAFER_SESSION": "s"}, Place(1, 3, "s", "WAFER_RANK")),
        ({"WAFER_RANK": "0"}, Place(0, None, "", "WAFER_RANK")),
        (TF, Place(2, 3, "", "TF_CONFIG")),
        (TORCHRUN, Place(1, 4, "torchrun.run", "torchrun")),
        (SLURM, Place(2, 7, "slurm.41.0", "Slurm")),
        ({**SLURM, "SLURM_RESTART_COUNT": "1"}, Place(2, 7, "slurm.41.0.1", "Slurm")),
        ({**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "0"}, Place(1, 4, "torchrun.run", "torchrun")),
        ({**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "2"}, Place(1, 4, "torchrun.run.2", "torchrun")),
        ({**SLURM, **TF}, Place(2, 3, "slurm.41.0", "TF_CONFIG")),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Place(1, 2, "", "OpenMPI")),
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "p", "PMI_RANK": "9"},
            Place(1, 2, "openmpi.p", "OpenMPI"),
        ),
        ({"PMI_RANK": "0", "PMI_SIZE": "2", "PMI_JOBID": "j"}, Place(0, 2, "pmi.j", "PMI")),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_NAME": "n"}, Place(3, None, "kubernetes.n", "Kubernetes")),
        ({"JOB_COMPLETION_INDEX": "0", "WAFER_TASKS": "4"}, Place(0, 4, "", "Kubernetes")),
    ],
)
def test_each_launcher_says_the_place(environment, place):
    """Rank, tasks and a name that all tasks of one start share come from the launcher's own variables."""
    assert place_of(environment) == place


def test_a_batch_script_is_no_task_of_many():
    """Slurm sets SLURM_PROCID and SLURM_NTASKS outside of steps too, where one process runs."""
    assert place_of({"SLURM_PROCID": "0", "SLURM_NTASKS": "7", "SLURM_JOB_ID": "41"}) == Place()


def test_the_nearer_word_counts():
    """Numbers go before variables, ours before TF_CONFIG, that before torchrun, that before Slurm."""
    said = [{"WAFER_RANK": "0"}, TF, TORCHRUN, SLURM]
    for number in range(len(said)):
        together = {key: value for each in said[number:] for key, value in each.items()}
        assert place_of(together).said_by == place_of(said[number]).said_by
    assert place_of({**SLURM, **said[0], **explicit(5, 6)}) == Place(5, 6, "", "WAFER_RANK")


def test_what_the_command_line_says_counts_for_the_whole_process(monkeypatch):
    """Also for code that asks later; without a word nothing changes, and what cannot be is refused."""
    for name in ("WAFER_RANK", "WAFER_TASKS"):
        monkeypatch.setenv(name, "7")
        monkeypatch.delenv(name)
    working.take_place(None, None)
    assert "WAFER_RANK" not in os.environ
    working.take_place(2, 3)
    assert (working.here().rank, working.here().tasks) == (2, 3)
    for wrong in ((3, 3), (-1, None), (None, 4)):
        with pytest.raises(InvalidInput):
            explicit(*wrong)


@pytest.mark.parametrize("launcher", [TORCHRUN, SLURM])
def test_a_tf_config_that_was_made_of_a_launchers_words_keeps_its_start(launcher):
    """It is set for user code; the tasks still know which start they are of."""
    place = place_of(launcher)
    with_config = {**launcher, "TF_CONFIG": json.dumps(tf_config(place))}
    assert place_of(with_config) == Place(place.rank, place.tasks, place.session, "TF_CONFIG")


def test_a_start_without_a_name_has_none():
    """torchrun calls it "none": two jobs of two users would be taken for one."""
    assert place_of({**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}) == Place(1, 4, "", "torchrun")


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"WAFER_RANK": "one"}, "WAFER_RANK"),
        ({"RANK": "4", "WORLD_SIZE": "4"}, "torchrun"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG"),
        ({"TF_CONFIG": '{"task": {"index": "x"}}'}, "TF_CONFIG"),
    ],
)
def test_a_wrong_place_is_named(environment, where):
    """A variable that is no number, or a rank beyond the tasks, is an error that names who said it."""
    with pytest.raises(InvalidInput) as caught:
        place_of(environment)
    assert caught.value.where == where


def test_tf_config_has_csofts_form():
    """One chief, then workers two ports apart; nothing for a single task; what is written is read back as it was."""
    assert tf_config(Place()) == {}
    config = tf_config(Place(2, 3))
    assert config["cluster"] == {"chief": ["localhost:9010"], "worker": ["localhost:9012", "localhost:9014"]}
    assert place_of({"TF_CONFIG": json.dumps(config)}) == Place(2, 3, "", "TF_CONFIG")
    assert tf_config(Place(0, 2))["task"] == {"type": "chief", "index": 0}


@pytest.mark.parametrize(
    ("environment", "workers"),
    [({}, 0), (SLURM, 6), ({WORKERS: "7"}, 7), ({WORKERS: "0"}, 0), ({"WAFER_RANK": "0"}, 0)],
)
def test_workers_of_a_launcher(environment, workers):
    """Tasks beside the chief, or local ones; 0 where nobody says."""
    assert workers_of(environment) == workers
    assert local_workers(environment) == (int(environment[WORKERS]) if WORKERS in environment else None)
