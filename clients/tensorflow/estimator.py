"""CerebrasEstimator: a model_fn, trained, evaluated and asked, on the system or off it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clients.tensorflow import backends
from clients.tensorflow.backends import Compilation, Evaluation, Prediction, Setup, Training
from clients.tensorflow.calls import InputFn, Model, ModelFn
from clients.tensorflow.modes import MODES, ModeKeys
from clients.tensorflow.run_config import CSRunConfig, RunConfig
from clients.tensorflow.warm_start import settings_of
from wire.errors import InvalidInput, nearest


class CerebrasEstimator:
    """A model and its state in model_dir.

    model_fn: (features, labels, mode, params, config), of which it takes what its signature has, -> EstimatorSpec or
    CSEstimatorSpec. model_dir: goes before config.model_dir. config: a RunConfig or CSRunConfig; with cs_ip the work
    is done on the system. params: handed to model_fn and input_fn. warm_start_from: a checkpoint or
    WarmStartSettings, for a model_dir without checkpoints. compile_dir: where executables go.

    An input_fn takes what it names of params, mode and input_context, and gives a dataset, (features, labels) or
    features. use_cs: True or False goes before config.cs_ip. All methods raise Faults: InvalidInput for what the
    user's code or arguments do, NotFound for a checkpoint that is not there, Refused for what the system will not do.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the arguments are CSoft's
        self,
        model_fn: ModelFn,
        model_dir: str | Path | None = None,
        config: RunConfig | None = None,
        params: dict[str, Any] | None = None,
        warm_start_from: Any = None,
        compile_dir: str | Path | None = None,
    ) -> None:
        config = CSRunConfig() if config is None else config
        if not isinstance(config, RunConfig):
            what = f"config is a {type(config).__name__}"
            raise InvalidInput(what, where="CerebrasEstimator", fix="pass CSRunConfig(...) or RunConfig(...)")
        folder = model_dir if model_dir is not None else config.model_dir
        if folder is None:
            what = "nothing says where checkpoints go"
            raise InvalidInput(what, where="CerebrasEstimator", fix="pass model_dir=..., or set it in the config")
        self._setup = Setup(
            model=Model(model_fn, dict(params or {}), config),
            model_dir=Path(folder).absolute(),
            config=config,
            warm_start=settings_of(warm_start_from),
            compile_dir=None if compile_dir is None else Path(compile_dir).absolute(),
        )

    @property
    def model_dir(self) -> str:
        return str(self._setup.model_dir)

    @property
    def config(self) -> RunConfig:
        return self._setup.config

    @property
    def params(self) -> dict[str, Any]:
        return self._setup.model.params

    def compile(self, input_fn: InputFn, validate_only: bool = False, mode: str = ModeKeys.TRAIN) -> None:
        """Check the model against the kernels; unless validate_only, leave its executable."""
        if mode not in MODES:
            raise InvalidInput(f"there is no mode {mode!r}", where="compile", fix=nearest(str(mode), MODES))
        backends.SYSTEM().compile(self._setup, Compilation(input_fn, validate_only, mode))

    def train(  # noqa: PLR0913, PLR0917 - the arguments are CSoft's
        self,
        input_fn: InputFn,
        hooks: Sequence[Any] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[Any] | None = None,
        use_cs: bool | None = None,
    ) -> CerebrasEstimator:
        """Train on from the newest checkpoint: `steps` more, or to step `max_steps`, or to the end of the input."""
        if steps is not None and max_steps is not None:
            raise InvalidInput("steps and max_steps are both set", where="train", fix="keep one of the two")
        for name, value in (("steps", steps), ("max_steps", max_steps)):
            _require_count(name, value, "train")
        asked = Training(input_fn, tuple(hooks or ()), steps, max_steps, tuple(saving_listeners or ()))
        backends.choose(self.config, use_cs).train(self._setup, asked)
        return self

    def evaluate(  # noqa: PLR0913, PLR0917 - the arguments are CSoft's
        self,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | Path | None = None,
        name: str | None = None,
        use_cs: bool | None = None,
    ) -> dict[str, Any]:
        """The metrics of a checkpoint over `steps` batches or all of the input, with "loss" and "global_step"."""
        _require_count("steps", steps, "evaluate")
        asked = Evaluation(input_fn, steps, tuple(hooks or ()), _text(checkpoint_path), name)
        return backends.choose(self.config, use_cs).evaluate(self._setup, asked)

    def predict(  # noqa: PLR0913, PLR0917 - the arguments are CSoft's
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | Path | None = None,
        yield_single_examples: bool = True,
        use_cs: bool | None = None,
        num_samples: int | None = None,
    ) -> Iterator[Any]:
        """The predictions of a checkpoint, one sample at a time: a NumPy array, or a dict of them."""
        _require_count("num_samples", num_samples, "predict")
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        path, wanted = _text(checkpoint_path), tuple(hooks or ())
        asked = Prediction(input_fn, keys, wanted, path, yield_single_examples, num_samples)
        return backends.choose(self.config, use_cs).predict(self._setup, asked)

    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, None where there is none."""
        from clients.tensorflow.plain_checkpoints import newest

        return newest(self._setup.model_dir)


def _require_count(name: str, value: Any, where: str) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        what = f"{name} is {value!r}; it must be a whole number of 1 or more"
        raise InvalidInput(what, where=where, fix=f"leave it out, or write {name}=1000")


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
