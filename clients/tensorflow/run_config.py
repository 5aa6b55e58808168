"""How a run is made: RunConfig as tf.estimator had it, and what the system adds."""

from __future__ import annotations

import os
from typing import Any

from clients.roles import place_of
from wire.errors import InvalidInput, nearest

DEFAULTS: dict[str, Any] = {
    "model_dir": None,
    "tf_random_seed": 1,
    "save_summary_steps": 100,
    "save_checkpoints_steps": None,
    "save_checkpoints_secs": None,
    "session_config": None,
    "keep_checkpoint_max": 5,
    "keep_checkpoint_every_n_hours": 10000,
    "log_step_count_steps": 100,
    "device_fn": None,
}
SAVE_SECONDS = 600
_ELSEWHERE = "replicas and workers are chosen with --multireplica and --num_workers"
_LEFT_OUT = (
    "train_distribute",
    "eval_distribute",
    "experimental_distribute",
    "protocol",
    "experimental_max_worker_delay_secs",
    "session_creation_timeout_secs",
)


class RunConfig:
    """Where a run keeps its state and how often it saves, logs and writes summaries. Steps are weight updates.

    model_dir: folder of checkpoints and events. tf_random_seed: what all randomness of the graph and its input
    follows from; None leaves it to chance. save_summary_steps, log_step_count_steps: every how many steps; 0 or None
    for never. save_checkpoints_steps or save_checkpoints_secs: one of them; neither: every 600 seconds; besides,
    one is written at the begin and at the end. keep_checkpoint_max: the newest so many; 0 or None keeps all.
    keep_checkpoint_every_n_hours: besides these, one every so many hours. session_config: a tf.compat.v1.ConfigProto.
    device_fn: a device such as "/gpu:0" for the model, or operation -> device.
    Raises InvalidInput for a key that does not exist, with the nearest one, and for values that cannot be.
    """

    def __init__(self, **keys: Any) -> None:
        _refuse_unknown(keys, type(self).__name__)
        if keys.get("save_checkpoints_steps") is not None and keys.get("save_checkpoints_secs") is not None:
            what = "save_checkpoints_steps and save_checkpoints_secs are both set"
            raise InvalidInput(what, where=type(self).__name__, fix="keep one of the two")
        given = {**DEFAULTS, **{k: v for k, v in keys.items() if k in DEFAULTS}}
        for key in DEFAULTS.keys() - {"model_dir", "session_config", "device_fn"}:
            _require_number(key, given[key], type(self).__name__)
        self.model_dir: str | None = None if given["model_dir"] is None else os.fspath(given["model_dir"])
        self.tf_random_seed: int | None = given["tf_random_seed"]
        self.save_summary_steps: int | None = given["save_summary_steps"]
        self.save_checkpoints_steps: int | None = given["save_checkpoints_steps"]
        self.save_checkpoints_secs: float | None = given["save_checkpoints_secs"]
        if self.save_checkpoints_steps is None and "save_checkpoints_secs" not in keys:
            self.save_checkpoints_secs = SAVE_SECONDS
        self.session_config: Any = given["session_config"]
        self.keep_checkpoint_max: int | None = given["keep_checkpoint_max"]
        self.keep_checkpoint_every_n_hours: float = given["keep_checkpoint_every_n_hours"]
        self.log_step_count_steps: int | None = given["log_step_count_steps"]
        self.device_fn: Any = given["device_fn"]
        self._keys = keys

    def replace(self, **keys: Any) -> RunConfig:
        """A copy with other values for some keys. Raises InvalidInput as the constructor does."""
        return type(self)(**{**self._keys, **keys})

    @property
    def task_id(self) -> int:
        """Which task of the job this process is: 0 for the first, or the only one."""
        return place_of(os.environ).rank

    @property
    def is_chief(self) -> bool:
        """Whether this process is the first task of the job."""
        return self.task_id == 0


class CSRunConfig(RunConfig):
    """RunConfig for the system. cs_ip: HOST or HOST:PORT of its coordinator; None runs off the system.

    system_name, cs_config, stack_params: what CSoft's users say about the machine and its compiler; kept as given.
    """

    def __init__(
        self,
        cs_ip: str | None = None,
        system_name: str | None = None,
        cs_config: Any = None,
        stack_params: dict[str, Any] | None = None,
        **keys: Any,
    ) -> None:
        super().__init__(**keys)
        self.cs_ip = cs_ip
        self.system_name = system_name
        self.cs_config = cs_config
        self.stack_params = dict(stack_params or {})

    def replace(self, **keys: Any) -> CSRunConfig:
        own = {name: getattr(self, name) for name in ("cs_ip", "system_name", "cs_config", "stack_params")}
        return type(self)(**{**own, **self._keys, **keys})


def _refuse_unknown(keys: dict[str, Any], where: str) -> None:
    for key, value in keys.items():
        if key in _LEFT_OUT and value is not None:
            raise InvalidInput(f"{key} is not known here", where=where, fix=f"leave it out; {_ELSEWHERE}")
        if key not in DEFAULTS and key not in _LEFT_OUT:
            raise InvalidInput(f"there is no key {key!r}", where=where, fix=nearest(key, tuple(DEFAULTS)))


def _require_number(key: str, value: Any, where: str) -> None:
    whole = not key.endswith(("_secs", "_hours"))
    if value is None or (isinstance(value, int if whole else int | float) and value >= 0):
        return
    what = f"{key} is {value!r}; it must be a {'whole ' if whole else ''}number of 0 or more"
    raise InvalidInput(what, where=where, fix=f"write {key}={DEFAULTS[key] or 1000}")
