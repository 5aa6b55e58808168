"""Every error a user can cause: one clear screen, a non-zero exit code, no traceback, nothing lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.e2e import project
from tests.e2e.harness import BIN, ENDLESS, PROJECT, ROOT, Finished, Service, python, serve

pytestmark = pytest.mark.e2e

ONE = ("--num_workers", "1")


def assert_screen(done: Finished, *said: str) -> None:
    """The program failed, said these things (regular expressions), and showed no traceback."""
    assert done.code == 1, done.said
    assert "Traceback" not in done.err, done.err
    assert "error: " in done.err, done.err
    for words in said:
        assert re.search(words, done.err), f"{words!r} is not in:\n{done.err}"


def params_file(folder: Path, change: str = "", **sections: dict[str, object]) -> str:
    """A copy of the reference params with some keys changed."""
    params = yaml.safe_load((PROJECT / "configs" / "params.yaml").read_text())
    for section, values in sections.items():
        params[section].update(values)
    for split in ("train", "eval"):
        section = params[f"{split}_input"]
        section["data_dir"] = str(ROOT / "data" / "mnist" / ("train" if split == "train" else "test"))
    for section, values in sections.items():
        params[section].update(values)
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params) + change)
    return str(path)


def validate(folder: Path, params: str, *options: str) -> Finished:
    return python("run.py", "--params", params, "--validate_only", "--model_dir", str(folder / "m"), *options)


def test_a_missing_params_file_is_named(tmp_path: Path) -> None:
    """The path that was tried is on the screen."""
    assert_screen(validate(tmp_path, str(tmp_path / "nowhere.yaml")), "nowhere.yaml")


def test_a_yaml_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    """The screen says where in the file YAML stopped understanding."""
    path = tmp_path / "broken.yaml"
    path.write_text("model:\n  depth: [1, 2\nrunconfig: {}\n")
    assert_screen(validate(tmp_path, str(path)), "broken.yaml", r"(line|:)\s*\d+")


def test_an_unknown_key_comes_with_the_nearest_known_one(tmp_path: Path) -> None:
    """A misspelt key is refused with a suggestion."""
    params = params_file(tmp_path, runconfig={"max_step": 10})
    assert_screen(validate(tmp_path, params), "max_step", "max_steps")


def test_an_unknown_key_of_the_recipe_comes_with_the_nearest_known_one(tmp_path: Path) -> None:
    """The train_input section of a native recipe is checked as strictly."""
    params = params_file(tmp_path, train_input={"shuffel_block_rows": 10})
    assert_screen(validate(tmp_path, params), "shuffel_block_rows", "shuffle_block_rows")


def test_a_wrong_type_says_what_is_there_and_what_is_allowed(tmp_path: Path) -> None:
    """A word where a number belongs is named with its key."""
    params = params_file(tmp_path, runconfig={"max_steps": "many"})
    assert_screen(validate(tmp_path, params), "runconfig.max_steps", "many")


def test_a_missing_data_dir_is_named(tmp_path: Path) -> None:
    """The resolved path of the data is on the screen."""
    params = params_file(tmp_path, train_input={"data_dir": str(tmp_path / "no_data")})
    assert_screen(validate(tmp_path, params), "no_data")


def test_a_corrupt_parquet_file_is_named_with_its_row_group(shared_service: Service, tmp_path: Path) -> None:
    """Bytes that were damaged inside a row group stop the run with the file and the group."""
    data = tmp_path / "data"
    data.mkdir()
    for source in sorted((ROOT / "data" / "mnist" / "train").glob("*.parquet"))[:2]:
        content = bytearray(source.read_bytes())
        if source.name.startswith("train-00001"):
            middle = len(content) // 2
            content[middle : middle + 4096] = bytes(4096)
        (data / source.name).write_bytes(content)
    params = params_file(tmp_path, train_input={"data_dir": str(data)})
    done = shared_service.run("--model_dir", str(tmp_path / "m"), "--max_steps", "20", params=params)
    assert_screen(done, r"train-00001", r"row group \d")


def test_a_shape_that_changes_between_batches_is_named(shared_service: Service, tmp_path: Path) -> None:
    """A loader whose samples change shape in the middle is told the field and both shapes."""
    line = "if number == 150: yield torch.zeros(7), 0; continue"
    folder = project.write(tmp_path / "p", data=project.ITERABLE, data_line=line)
    done = shared_service.run("--model_dir", str(tmp_path / "m"), *ONE, cwd=folder, params="params.yaml")
    assert_screen(done, "8", "7", "data.py|batch")


def test_a_label_out_of_range_is_named(shared_service: Service, tmp_path: Path) -> None:
    """Labels beyond the model's classes stop the run; field and values are on the screen."""
    folder = project.write(tmp_path / "p")
    params = (folder / "params.yaml").read_text().replace("classes: 4", "classes: 3")
    (folder / "params.yaml").write_text(params)
    done = shared_service.run("--model_dir", str(tmp_path / "m"), *ONE, cwd=folder, params="params.yaml")
    assert_screen(done, "label out of range", r"0\.\.3")


def test_a_nan_loss_stops_the_run_and_keeps_the_last_good_checkpoint(shared_service: Service, tmp_path: Path) -> None:
    """A loss that is not finite is not applied, and the checkpoint before it stays."""
    folder = project.write(tmp_path / "p")
    text = (folder / "params.yaml").read_text()
    text = text.replace("learning_rate: 0.1", "learning_rate: 3.0e38").replace(
        "checkpoint_steps: 10", "checkpoint_steps: 1"
    )
    (folder / "params.yaml").write_text(text)
    done = shared_service.run("--model_dir", str(tmp_path / "m"), *ONE, cwd=folder, params="params.yaml")
    assert_screen(done, "loss of step", "nan|inf", "last good checkpoint")
    steps = sorted(int(p.name.split("_")[1]) for p in (tmp_path / "m").glob("checkpoint_*"))
    assert f"is of step {steps[-1]}" in done.err


def test_an_unsupported_operation_names_the_users_line(tmp_path: Path) -> None:
    """Validation refuses an operation without a kernel, at the line of model.py that needs it."""
    folder = project.write(tmp_path / "p", model_line="hidden = torch.fft.fft(hidden).real")
    lines = (folder / "model.py").read_text().splitlines()
    number = next(i for i, text in enumerate(lines, 1) if "fft" in text)
    done = python(
        "run.py", "--params", "params.yaml", "--validate_only", "--model_dir", str(tmp_path / "m"), cwd=folder
    )
    assert_screen(done, f"model.py:{number}", "fft")


def test_an_unreachable_coordinator_is_named(tmp_path: Path) -> None:
    """run.py and worker say which address nobody answers at, and what to start."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    done = python("run.py", "--params", "configs/params.yaml", "--cs_ip", address, "--model_dir", str(tmp_path / "m"))
    assert_screen(done, address, "wafer_sim serve")


def test_a_port_in_use_is_named(service: Service, tmp_path: Path) -> None:
    """A second coordinator on the same port says so and ends."""
    port = service.address.split(":")[1]
    command = [BIN / "wafer_sim", "serve", "--port", port, "--state-dir", str(tmp_path / "second")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert_screen(Finished(done.returncode, done.stdout, done.stderr), port, "another process")


def test_a_wrong_token_is_refused(tmp_path: Path) -> None:
    """Worker, run.py and status with another token than the service's are told so."""
    running = serve(tmp_path, env={"WAFER_SIM_TOKEN": "right"})
    try:
        done = subprocess.run(
            [BIN / "streamer", "worker", "--coordinator", running.address],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"WAFER_SIM_TOKEN": "wrong"},
        )
        assert_screen(Finished(done.returncode, done.stdout, done.stderr), "token")
        assert_screen(running.run("--model_dir", str(tmp_path / "m"), "--max_steps", "5"), "token")
    finally:
        running.stop()


def test_an_address_beyond_loopback_needs_tls_and_a_token(tmp_path: Path) -> None:
    """Without them the service does not start."""
    command = [BIN / "wafer_sim", "serve", "--host", "0.0.0.0", "--port", "0", "--state-dir", str(tmp_path)]  # noqa: S104
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert_screen(Finished(done.returncode, done.stdout, done.stderr), "TLS", "token")


def test_a_full_disk_at_checkpoint_time_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    """When a checkpoint cannot be written the run says so, and the checkpoints before it are whole."""
    command = f"ulimit -f 3000; exec {BIN / 'wafer_sim'} serve --port 0 --state-dir {tmp_path / 'state'}"
    process = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    running = Service(process, process.stdout.readline().split()[3].rstrip(","), tmp_path)
    try:
        done = running.run("--model_dir", str(tmp_path / "m"), "--max_steps", "20")
        assert_screen(done, "disk is full|too large", "checkpoint_20")
        assert [p.name for p in (tmp_path / "m").glob("checkpoint_*")] == ["checkpoint_0"]
        assert not list((tmp_path / "m").glob(".checkpoint*"))
    finally:
        running.stop()


@pytest.mark.parametrize("data", [project.MAP_STYLE, project.ITERABLE], ids=["map-style", "iterable"])
def test_a_loader_that_raises_names_worker_stream_and_exception(
    shared_service: Service, tmp_path: Path, data: str
) -> None:
    """The run ends with the worker, the stream, the exception and the user's own line."""
    line = "CALLS.append(i); assert len(CALLS) < 200, 'bad sample 77'"
    folder = project.write(tmp_path / "p", data=data + "\n\nCALLS = []\n", data_line=line)
    done = shared_service.run("--model_dir", str(tmp_path / "m"), *ONE, cwd=folder, params="params.yaml")
    assert_screen(done, "bad sample 77", r"data\.py:\d+")


def test_a_lambda_as_data_function_is_refused_with_what_to_do(shared_service: Service, tmp_path: Path) -> None:
    """Workers load a function by name, so one without a name is refused before the run."""
    folder = project.write(tmp_path / "p")
    text = (
        (folder / "run.py")
        .read_text()
        .replace("run(Model, get_train_dataloader", "run(Model, lambda p: get_train_dataloader(p)")
    )
    (folder / "run.py").write_text(text)
    done = shared_service.run("--model_dir", str(tmp_path / "m"), *ONE, cwd=folder, params="params.yaml")
    assert_screen(done, "def", "workers")


def test_a_second_chief_of_the_same_model_dir_is_refused(service: Service, tmp_path: Path) -> None:
    """Two run.py cannot train into one model_dir at once."""
    running = service.start("--model_dir", str(tmp_path / "m"), *ENDLESS)
    wait_until_training(service)
    assert_screen(service.run("--model_dir", str(tmp_path / "m"), "--max_steps", "100000"), "another run.py is chief")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=15)


def wait_until_training(service: Service) -> dict[str, object]:
    """The status of the newest run once it has taken a step."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        runs = service.status().get("runs", [])
        if runs and int(runs[-1].get("progress", {}).get("step", 0)) > 0:
            return dict(runs[-1])
        time.sleep(0.05)
    raise AssertionError(service.log.read_text())


def test_ctrl_c_is_clean_within_five_seconds_and_resumable(service: Service, tmp_path: Path) -> None:
    """An interrupted run leaves a checkpoint of the step in hand, no process behind, and goes on when asked again."""
    options = ("--model_dir", str(tmp_path / "m"), "runconfig.checkpoint_steps", "0")
    running = service.start(*options, "--max_steps", "100000")
    wait_until_training(service)
    children = psutil.Process(running.pid).children(recursive=True)
    wafers = psutil.Process(service.process.pid).children(recursive=True)
    assert children
    assert wafers
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = running.communicate(timeout=15)
    assert time.monotonic() - begun < 5
    assert running.returncode == 130, err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs([*children, *wafers], timeout=5)
    assert not alive, [p.cmdline() for p in alive]
    steps = sorted(int(p.name.split("_")[1]) for p in (tmp_path / "m").glob("checkpoint_*"))
    assert steps[-1] > 0
    done = service.run(*options, "--max_steps", str(steps[-1] + 5))
    assert done.code == 0, done.said
    assert f"checkpoint_{steps[-1]}" in done.said


def test_ctrl_c_before_the_first_step_is_clean_too(service: Service, tmp_path: Path) -> None:
    """Interrupted while it waits for workers that never come, a run ends at once and leaves nothing behind."""
    running = service.start("--model_dir", str(tmp_path / "m"), "--num_workers", "0")
    deadline = time.monotonic() + 60
    while "waiting for" not in str(service.status()) and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.05)
    wafers = psutil.Process(service.process.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=15)
    assert running.returncode == 130, err
    _, alive = psutil.wait_procs(wafers, timeout=5)
    assert not alive
