"""The command `wafer_sim`. What a command needs is imported when it runs, so that `--help` answers at once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts

from wire.ending import FAILED, code_of
from wire.errors import InvalidInput
from wire.staying import leave_as_it_is

_FLAG = cyclopts.Parameter(negative="")


def _version() -> str:
    try:
        return metadata.version("wafer-streamer")
    except metadata.PackageNotFoundError:
        return "not installed: run from a source tree"


app = cyclopts.App(
    name="wafer_sim",
    help="A simulated wafer behind a coordinator: programs in, batches in, trained weights out.",
    version=_version,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.meta.suppress_keyboard_interrupt = False


def state_home() -> Path:
    """Where a coordinator keeps its state unless told otherwise."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "wafer_sim"


@app.command
def serve(  # noqa: PLR0913 - an option of the command line each
    *,
    host: str = "localhost",
    port: int = 9000,
    state_dir: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    wafer_memory: str = "",
    metrics_port: int | None = None,
) -> None:
    """Run the coordinator until it is told to stop (Ctrl-C, SIGTERM).

    Parameters
    ----------
    host
        The address to bind to. Anything but this machine itself needs TLS and the token of WAFER_SIM_TOKEN.
    port
        The port to bind to; 0 takes any free one.
    state_dir
        Where executables and the journal are kept. Default: $XDG_STATE_HOME/wafer_sim, or ~/.local/state/wafer_sim.
    tls_cert
        PEM file with the certificate of this service.
    tls_key
        PEM file with its key.
    wafer_memory
        What the wafer has for weights, optimizer state, gradients and the values of a step, such as 40GB or 512MiB. A
        model that is larger trains in weight streaming only. Default: no bound.
    metrics_port
        Serve /metrics for Prometheus at this port of this machine; 0 takes any free one. Default: do not.
    """
    if not 0 <= port < 2**16:
        raise InvalidInput(f"{port} is no port", fix="choose one from 0 to 65535")
    if (tls_cert is None) != (tls_key is None):
        raise InvalidInput("TLS needs both a certificate and a key", fix="give --tls-cert and --tls-key")
    from wafer_sim.memory_size import size_from
    from wafer_sim.service.server import Settings, serve_until_signal
    from wire.channel import Security

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    security = Security.from_environment(tls_cert, tls_key)
    directory = (state_dir or state_home()).expanduser().absolute()
    memory = size_from(wafer_memory, "--wafer-memory") if wafer_memory else 0
    serve_until_signal(Settings(directory, host, port, security, wafer_memory=memory, metrics_port=metrics_port))


@app.command
def status(*, coordinator: str = "localhost:9000", json: Annotated[bool, _FLAG] = False) -> None:
    """Show the jobs, workers, streams and rates of a coordinator.

    Parameters
    ----------
    coordinator
        HOST or HOST:PORT.
    json
        Write JSON: wire.v1.StatusReply.
    """
    from wafer_sim.service.screen import show

    show(coordinator, as_json=json)


@app.command
def top(*, coordinator: str = "localhost:9000", interval: float = 1.0, once: Annotated[bool, _FLAG] = False) -> None:
    """Watch a coordinator in the terminal: replicas, seams, workers, rates, stalls and who is to blame. q leaves.

    Parameters
    ----------
    coordinator
        HOST or HOST:PORT.
    interval
        Seconds between two looks.
    once
        Look once, write, and end; so it is where the output is no terminal.
    """
    if not interval > 0:
        raise InvalidInput(f"{interval:g} seconds are no interval", where="--interval", fix="give a number above 0")
    from wafer_sim.service.top import top as show_top

    show_top(coordinator, interval, once=once)


@app.command
def cancel(run: str, *, coordinator: str = "localhost:9000") -> None:
    """Stop a run after the step in hand, with a checkpoint; one that is queued leaves the queue.

    Parameters
    ----------
    run
        Its id, as `wafer_sim status` shows it.
    coordinator
        HOST or HOST:PORT.
    """
    from wafer_sim.service.screen import cancel_run

    cancel_run(coordinator, run)


@app.command
def ledger(model_dir: Path, *, json: Annotated[bool, _FLAG] = False) -> int:
    """Show what was consumed, counted from committed steps: nothing missing, nothing twice. Exit code 1 if not so.

    Parameters
    ----------
    model_dir
        A model_dir, of which the newest whole checkpoint is taken, or one of its checkpoints.
    json
        Write JSON, with the keys of wafer_sim/ledger_screen.py.
    """
    from wafer_sim.ledger_screen import show as show_ledger

    return 0 if show_ledger(model_dir.expanduser(), as_json=json) else FAILED


@app.command
def report(directory: Path, *, html: Path | None = None, rate: float | None = None) -> None:
    """Show what a compile estimated: samples per second, what limits them, and a line for each kernel.

    Parameters
    ----------
    directory
        A cs_ directory, or a model_dir, of which the newest compile is taken.
    html
        Also write a page with a picture of the wafer to this file.
    rate
        Samples per second of one worker, for how many would be needed.
    """
    from wafer_sim.fabric.show import show as show_estimate

    show_estimate(directory.expanduser(), html, rate)


@app.command
def estimate(  # noqa: PLR0913 - its options
    *,
    params: Path,
    mode: Literal["pipeline", "weight_streaming"] = "pipeline",
    batch_size: int | None = None,
    multireplica: Annotated[bool, _FLAG] = False,
    machine: str | None = None,
    rate: float | None = None,
    html: Path | None = None,
) -> None:
    """Estimate a project on the wafer: compile it for a moment, and show the report.

    Parameters
    ----------
    params
        The project's params.yaml; its run.py is in that folder or one above it.
    mode
        The execution strategy.
    batch_size
        Instead of the one in train_input.
    multireplica
        With as many replicas as fit the wafer and help, which share the batch.
    machine
        Instead of the CS-2: a name, or a file with a machine's numbers.
    rate
        Samples per second of one worker, for how many would be needed.
    html
        Also write a page with a picture of the wafer to this file.
    """
    from wafer_sim.fabric.show import show as show_estimate
    from wafer_sim.project import compiled

    overrides = {
        "train_input.batch_size": batch_size,
        "runconfig.machine": machine,
        "runconfig.multireplica": True if multireplica else None,
        "runconfig.execution_strategy": mode,
    }
    with compiled(params.expanduser(), overrides) as directory:
        show_estimate(directory, html, rate)


@app.command
def plot(model_dir: Path, *, out: Path | None = None) -> None:
    """Draw the rate of a run over time, its stalls shaded.

    Parameters
    ----------
    model_dir
        Where the run left its performance.json, or that file.
    out
        The picture: a name that ends in .png, .svg or .pdf. Default: rate.png in model_dir.
    """
    from wafer_sim.rate_plot import plot as plot_rate

    plot_rate(model_dir.expanduser(), out)


@app.command
def stalls(*, synthetic: Path, warm: Path, cold: Path) -> None:
    """Split the stall of a job into fetch and prep, from three runs of it: same steps, a model_dir each.

    Parameters
    ----------
    synthetic
        Of the run with --fabric_mode synthetic: what the wafer could take.
    warm
        Of a run whose data was in the page cache of the workers, as after an epoch.
    cold
        Of a run whose data was not: `streamer cool SOURCE` before it.
    """
    from wafer_sim.stall_split import show as show_split

    show_split(synthetic.expanduser(), warm.expanduser(), cold.expanduser())


@app.command
def kernels() -> None:
    """List the kernels of the wafer, and which operations of PyTorch and TensorFlow each one serves."""
    from wafer_sim.kernels.screen import show as show_kernels

    show_kernels()


@app.meta.default
def _launch(
    *tokens: Annotated[str, cyclopts.Parameter(show=False, allow_leading_hyphen=True)],
    traceback: Annotated[bool, _FLAG] = False,
) -> Any:
    """Run a command.

    Parameters
    ----------
    tokens
        The command and its options.
    traceback
        Where a command fails, show the stack.
    """
    return code_of(lambda: app(tokens), traceback=traceback)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    leave_as_it_is()
    # The C core of grpc writes lines of its own to stderr; what a user must know comes as a Fault.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    words = sys.argv[1:] if argv is None else list(argv)
    return code_of(lambda: app.meta(words), traceback=True)


if __name__ == "__main__":
    sys.exit(main())
