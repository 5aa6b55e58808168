"""The flags that run.py of a TensorFlow project has besides those that all have."""

from __future__ import annotations

from clients.arguments import Flags, Group
from clients.tensorflow.sections import RunSection


def _add(system: Group, run: Group) -> None:
    system.add_argument("--device", metavar="DEVICE", help="without --cs_ip: where the model is, such as /gpu:0")
    run.add_argument("--steps", type=int, metavar="N", help="train N steps more; goes before max_steps")
    run.add_argument("--save_checkpoints_steps", type=int, metavar="N", help="a checkpoint every N steps")
    run.add_argument("--tf_random_seed", type=int, metavar="N", help="what all randomness follows from; default 1")
    run.add_argument("--predict_samples", type=int, metavar="N", help="predict N samples only")


TENSORFLOW = Flags(
    name="TensorFlow",
    modes=("train", "eval", "eval_all", "train_and_eval", "predict"),
    modes_help="default: train; eval_all: every checkpoint; train_and_eval, predict: off the system only",
    keys=frozenset(RunSection.model_fields),
    add=_add,
)
