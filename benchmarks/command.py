"""`streamer bench`: our speed beside other systems', beside the machine's limits, and that of your own pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from wire.ending import code_of
from wire.errors import InvalidInput

MISSED = 1

app = App(name="streamer bench", help=__doc__, version_flags=[], result_action="return_value")


@app.command(name="fc_mnist")
def fc_mnist(
    *, against: str = "tfdata,tfdata_tuned,torch,grain", runs: int = 5, seconds: float = 2.0, python: Path | None = None
) -> int:
    """FC-MNIST's input side by side: the same samples, the same transformation, this machine, alternating runs.

    No ratio is printed of systems that did not deliver identical samples.

    Parameters
    ----------
    against
        Peers, by commas: tfdata, tfdata_tuned, tfdata_service, torch, grain, spdl, ray.
    runs
        Timed runs of each.
    seconds
        How long one run takes.
    python
        The interpreter that has the peers (pip install '.[bench]'). Default: this one.
    """
    from benchmarks.fc_mnist import measure
    from benchmarks.measure import publish

    if runs < 1 or seconds <= 0:
        raise InvalidInput("there is nothing to measure", where="--runs, --seconds", fix="give 1 or more, and above 0")
    names = [name.strip() for name in against.split(",") if name.strip()]
    result = measure(names, runs, seconds, str(python or sys.executable))
    publish(result)
    return 0 if result.met else MISSED


@app.command(name="mlperf")
def mlperf(*, accelerator: str = "h100", workload: str = "", accelerators: int = 1, workers: int = 2) -> int:
    """Emulated accelerators of the MLPerf Storage benchmark: do they keep busy? Not an MLPerf result.

    Parameters
    ----------
    accelerator
        h100 or a100.
    workload
        resnet50, unet3d or cosmoflow. Default: each in turn.
    accelerators
        How many are emulated at once, in data parallel.
    workers
        How many workers feed them.
    """
    from benchmarks.measure import publish
    from benchmarks.mlperf import measure

    result = measure(accelerator, [workload] if workload else None, accelerators, workers)
    publish(result)
    return 0 if result.met else MISSED


@app.default
def pipeline(
    *names: Annotated[str, Parameter(show=False)],
    params: Path | None = None,
    data: str | None = None,
    rate: float = 0.0,
    seconds: float = 3.0,
) -> int:
    """Your own pipeline: its rate per worker, where it is slow, how many workers feed so many samples a second.

    Parameters
    ----------
    params
        The params.yaml that your data function is called with.
    data
        path/data.py, path/data.py:function or package.module:function.
    rate
        Samples a second that have to be fed.
    seconds
        How long one run takes.
    """
    from benchmarks.measure import publish

    if names:
        raise InvalidInput(
            f"there is no benchmark {names[0]!r} here",
            fix="fc_mnist, mlperf, or --params P --data data.py; `python -m benchmarks` has the standard set",
        )
    if data is None:
        raise InvalidInput("say what to measure", fix="streamer bench --help lists it")
    from benchmarks.pipeline import measure

    result = measure(data, params, rate, seconds)
    publish(result, keep=False)
    return 0 if result.met else MISSED


def main() -> None:
    """Run the command line; a Fault is one screen on stderr and exit code 1, Ctrl-C is exit code 130."""
    sys.exit(code_of(lambda: app(sys.argv[1:])))


if __name__ == "__main__":
    main()
