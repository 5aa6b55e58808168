"""The commands of the documents, on a real Slurm: what starts, who is chief, and that the bits are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT
from tests.e2e.stage import Stage, ledger
from tests.slurm.cluster import Cluster
from tests.slurm.training import LENGTH, SHORT, TRAIN, ends_whole

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_neocortex_srun_is_a_chief_and_its_workers(cluster: Cluster, stage: Stage, whole: str, tmp_path: Path) -> None:
    """One srun of four tasks: the first trains and starts no workers of its own, the others host the streams."""
    model_dir = tmp_path / "m"
    form = ("srun", "--label", "--gres=cs:cerebras:1", "--ntasks=4", "--cpus-per-task=1", "--kill-on-bad-exit")
    words = (*TRAIN, "--cs_ip", stage.address, "--model_dir", str(model_dir), *LENGTH)
    done = cluster.run(*form, *words, cwd=PROJECT)
    assert done.code == 0, done.said
    assert set(re.findall(r"^(\d): .* hosting stream", done.said, re.MULTILINE)) == {"1", "2", "3"}, done.said
    assert re.search(r"^0: .*Training Completed Successfully", done.said, re.MULTILINE), done.said
    ends_whole(model_dir, whole)


def test_csrun_wse_runs_a_step_of_two_kinds_of_nodes(
    cluster: Cluster, stage: Stage, whole: str, tmp_path: Path
) -> None:
    """A node with one task and a node with two are one heterogeneous step, whose tasks are counted through."""
    model_dir = tmp_path / "m"
    allocation = ("salloc", "--nodes=2", "--ntasks-per-node=2", "csrun_wse", "--total-nodes", "2")
    launch = ("--tasks-per-node", "2", "--single-task-nodes", "1", "--cpus-per-task", "1")
    words = (*allocation, *launch, *TRAIN, "--model_dir", str(model_dir), *LENGTH)
    done = cluster.run(*words, cwd=PROJECT, CS_IP_ADDR=stage.address)
    assert done.code == 0, done.said
    assert re.search(r"^\$ srun --kill-on-bad-exit --nodes=1 --ntasks=1 .* : --nodes=1 --ntasks=2 ", done.out, re.M)
    assert len(re.findall(r"INFO worker \S+ registered", done.said)) == 2, done.said
    ends_whole(model_dir, whole)


def test_csrun_wse_brings_a_system_up_on_one_node(cluster: Cluster, tmp_path: Path) -> None:
    """Where nobody says where the system is, an allocation of one node has one of its own, which is gone afterwards."""
    words = (*TRAIN, "--model_dir", str(tmp_path / "m"), *SHORT)
    done = cluster.run("salloc", "--nodes=1", "--ntasks=2", "csrun_wse", "--tasks-per-node=2", *words, cwd=PROJECT)
    assert done.code == 0, done.said
    assert re.search(r"^wafer_sim serve at 127\.", done.out, re.MULTILINE), done.said
    told = ledger(tmp_path / "m")
    assert (told.code, "0 missing, 0 twice" in told.out) == (0, True), told.said


def test_a_model_is_compiled_before_the_system_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    """deploy/slurm/compile.sbatch validates and compiles in one task, without a system."""
    out = tmp_path / "out"
    words = ("--cpus-per-task=1", f"--output={out}", "deploy/slurm/compile.sbatch", "--model_dir", str(tmp_path / "m"))
    job = cluster.ask("sbatch", "--parsable", *words)
    cluster.job_is(job, "COMPLETED", "FAILED")
    assert cluster.job(job)["ExitCode"] == "0:0", out.read_text()
    assert list((tmp_path / "m").glob("cs_*")), out.read_text()
