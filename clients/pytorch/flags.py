"""The flags that run.py of a PyTorch project has besides those that all have."""

from __future__ import annotations

from clients.arguments import Flags, Group
from clients.sections import RunConfig


def _add(system: Group, run: Group) -> None:
    system.add_argument(
        "-cpu", "--cpu", action="store_true", default=None, help="without --cs_ip: no GPU even where there is one"
    )
    run.add_argument("--num_steps", type=int, metavar="N", help="train N steps more")
    run.add_argument("--num_epochs", type=int, metavar="N", help="train N epochs more")
    run.add_argument("--steps_per_epoch", type=int, metavar="N", help="steps that count as one epoch")
    run.add_argument("--checkpoint_steps", type=int, metavar="N", help="a checkpoint every N steps; 0: at the end")
    run.add_argument("--log_steps", type=int, metavar="N", help="a progress line every N steps")
    run.add_argument("--seed", type=int, metavar="N", help="what all randomness follows from")
    run.add_argument(
        "--is_pretrained_checkpoint", action="store_true", default=None, help="take its weights only; start at step 0"
    )


PYTORCH = Flags(
    name="PyTorch",
    modes=("train", "eval", "train_and_eval"),
    modes_help="default: train; train_and_eval runs off the system only",
    keys=frozenset(RunConfig.model_fields),
    add=_add,
)
