"""The `streamer` command. What a command needs is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from wire.ending import code_of
from wire.staying import leave_as_it_is, staying

app = App(name="streamer", help="Reads datasets and pushes their batches to whatever consumes them.")


@app.command
def worker(  # noqa: PLR0913 - an option of the command each
    *,
    shard: int | None = None,
    coordinator: str = "localhost:9000",
    data: str | None = None,
    params: str | None = None,
    data_root: Path | None = None,
    metrics_port: int | None = None,
    session: Annotated[str, Parameter(show=False)] = "",
    exit_with_parent: Annotated[bool, Parameter(show=False)] = False,
) -> int:
    """Host streams of the coordinator's job; wait, and say so, while there is none.

    Parameters
    ----------
    shard
        Host this stream only. Without it: whatever the coordinator assigns.
    coordinator
        HOST:PORT of the coordinator.
    data
        Your own loader: path/data.py, path/data.py:function or package.module:function. It stays on this machine.
    params
        The params.yaml that your loader is called with.
    data_root
        Read nothing outside this folder.
    metrics_port
        Serve /metrics for Prometheus at this port of this machine; 0 takes any free one. Default: do not.
    session
        Work for this session's jobs only.
    exit_with_parent
        Leave when standard input closes.
    """
    with staying():
        from streamer.worker import WorkerOptions, main

    return main(WorkerOptions(coordinator, shard, data, params, data_root, session, exit_with_parent, metrics_port))


@app.command
def inspect(
    source: str,
    *,
    params: Path | None = None,
    format: str | None = None,
    section: str = "train_input",
) -> int:
    """Say what is in a dataset: element spec, rows, bytes, and the rate at which it can be read.

    Parameters
    ----------
    source
        A file, folder, pattern or fsspec URI; or your own loader: path/data.py, path/data.py:function.
    params
        A params.yaml: its section is the recipe, or what your loader is called with.
    format
        parquet, idx, npz, tfrecord or images, where the name does not tell.
    section
        Which section of the params.
    """
    from streamer.inspect import inspect_source

    inspect_source(source, params, format, section)
    return 0


@app.command
def index(source: str, *, data_root: Path | None = None) -> int:
    """Write an index beside each TFRecord file, so that opening the data need not walk over it.

    Parameters
    ----------
    source
        A file, folder or pattern.
    data_root
        Read and write nothing outside this folder.
    """
    from streamer.indexing import index_source

    index_source(source, data_root)
    return 0


@app.command
def cool(source: str, *, data_root: Path | None = None) -> int:
    """Drop a source's files from this machine's page cache: the next run is a cold one, see `wafer_sim stalls`.

    Parameters
    ----------
    source
        A file, folder or pattern.
    data_root
        Touch nothing outside this folder.
    """
    from streamer.cooling import cool_source

    cool_source(source, data_root)
    return 0


@app.command(help_flags=[], version_flags=[])
def bench(*words: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]) -> int:
    """Measure: beside other systems, your own pipeline, emulated accelerators; `streamer bench --help` says how."""
    from streamer.repository import run_module

    return run_module("benchmarks.command", words)


def main() -> None:
    """Run the command line; a Fault is one screen on stderr and exit code 1, Ctrl-C is exit code 130."""
    leave_as_it_is()
    words = [word for word in sys.argv[1:] if word != "--traceback"]
    sys.exit(code_of(lambda: app(words, result_action="return_value"), traceback=len(words) < len(sys.argv) - 1))


if __name__ == "__main__":
    main()
