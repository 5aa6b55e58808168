"""How a TensorFlow run on the system speaks: the lines that tf.estimator and CSoft printed."""

from __future__ import annotations

from collections.abc import Iterator

from clients.report import Outcome
from wire.v1 import run_pb2


class TensorflowWording:
    """As CSoft's TensorFlow runs spoke."""

    logger = "tensorflow"

    def progress(self, mode: str, progress: run_pb2.Progress, batch_size: int) -> str:
        rate = progress.recent_samples_per_second / batch_size
        steps = "batch" if mode == "eval" else "global step"
        return f"{steps} {progress.step}: loss = {progress.loss:.6g} ({rate:.2f} steps/sec)"

    def saved(self, step: int, path: str) -> str:
        return f"Saving checkpoints for {step} into {path}."

    def trained(self, outcome: Outcome) -> Iterator[str]:
        yield (
            f"Training finished with {outcome.samples} samples in {outcome.seconds:.2f} seconds, "
            f"{outcome.rate:.2f} samples/second."
        )
        yield f"Loss for final step: {outcome.loss:.6g}."

    def evaluated(self, outcome: Outcome, step: int) -> Iterator[str]:
        metrics = {**outcome.metrics, "global_step": step, "loss": outcome.loss}
        said = ", ".join(f"{name} = {value:.6g}" for name, value in sorted(metrics.items()))
        yield f"Saving dict for global step {step}: {said}"
