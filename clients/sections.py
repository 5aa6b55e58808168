"""What the sections of params.yaml may hold. All problems of a file are reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from clients.skipping import Range, ranges_from
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.memory_size import size_from
from wire.errors import Fault, InvalidInput, nearest

SectionCheck = Callable[[dict[str, Any]], Iterator[str]]
"""The content of a section -> what is wrong with it, one sentence each."""

SECTIONS = ("train_input", "eval_input", "model", "optimizer", "runconfig", "csconfig")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1)]
Index = Annotated[int, BeforeValidator(_whole), Field(ge=0)]


def _size(value: str) -> str:
    try:
        size_from(value)
    except InvalidInput as error:
        raise ValueError(f"a size such as 40GB or 512MiB, not {value!r}") from error
    return value


Ranges = Annotated[tuple[Range, ...], BeforeValidator(ranges_from)]


class SystemKeys(BaseModel):
    """What `runconfig` holds whatever the framework: where a job runs, from what it starts, and the system's keys.

    keep_checkpoint_max: 0 keeps all. drain_rate: samples per second that fabric_mode drain consumes, 0 for as fast
    as they come, "estimated" for what the real machine would take. wafer_memory: what a run may use of the wafer's
    memory, such as 40GB. max_simulated_replicas: the most that a run has of the replicas that the compiler chooses;
    it does where multireplica is set and num_replicas is not. transport: auto shares memory with workers on the
    wafer's machine, tcp with none. machine: a name of wafer_sim/fabric/machines or a file like those, for estimates.
    input_timeout: seconds that a step waits for its input. streamer_logging: from which level on log lines of local
    workers are shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model_dir: str = "model_dir"
    compile_dir: str | None = None
    cs_ip: str | None = None
    validate_only: bool = False
    compile_only: bool = False

    max_steps: Index | None = None
    eval_steps: Count | None = None
    keep_checkpoint_max: Index = 0
    checkpoint_path: str | None = None

    multireplica: bool = False
    num_replicas: Count | None = None
    max_simulated_replicas: Count = 2
    num_streams: Count | None = None
    prefetch: Index = 0
    num_workers: Index | None = None
    num_workers_per_csx: Index | None = None
    execution_strategy: Literal["pipeline", "weight_streaming"] = "pipeline"
    wafer_memory: Annotated[str, AfterValidator(_size)] | None = None
    fabric_mode: Literal["compute", "drain", "synthetic"] = "compute"
    transport: Literal["auto", "tcp"] = "auto"
    machine: str = "cs2"
    drain_rate: Annotated[float, Field(ge=0, strict=False)] | Literal["estimated"] = 0.0
    input_timeout: Annotated[float, Field(gt=0, strict=False)] = 300.0
    logging: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    streamer_logging: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "ERROR"

    @property
    def workers(self) -> int:
        """Local workers that a run without a launcher starts."""
        given = self.num_workers if self.num_workers is not None else self.num_workers_per_csx
        return 2 if given is None else given


class RunConfig(SystemKeys):
    """The `runconfig` section: where, how long and how a job runs. Steps are weight updates.

    checkpoint_steps: 0 saves at the end only.

    skip: what of the input is passed over without training on it: steps such as 7 or "1200-1300", or samples such as
    "samples 307200-332800", which takes the whole steps that hold them; one of these, or a list. Both ends are
    included and the first is 1. They count batches of the input, of which a run takes more than it makes updates once
    some are skipped; max_steps counts updates.
    bad_samples: what happens at a sample that cannot be read: "stop", or "skip": it is listed, and another one of its
    batch stands in. bad_samples_in_a_row, bad_samples_fraction: the most of them, in a row and of all samples, that
    are skipped before the run stops; without them there is no bound. Off the system the first one stops the run.
    """

    mode: Literal["train", "eval", "train_and_eval"] = "train"
    cpu: bool = False

    num_steps: Count | None = None
    num_epochs: Count | None = None
    steps_per_epoch: Count | None = None
    checkpoint_steps: Index = 0
    is_pretrained_checkpoint: bool = False
    log_steps: Count = 50
    save_losses: bool = True
    check_loss_values: bool = True
    seed: Index = 1

    skip: Ranges = ()
    bad_samples: Literal["stop", "skip"] = "stop"
    bad_samples_in_a_row: Count | None = None
    bad_samples_fraction: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None

    def last_step(self, start: int, steps_in_epoch: int | None) -> int:
        """The step after which training ends, for a run that starts at step `start`.

        max_steps counts from step 0; num_steps and num_epochs count from `start`. The smallest bound wins.
        steps_in_epoch: batches in one walk through the data, None where nobody knows; runconfig.steps_per_epoch
        goes before it. Raises InvalidInput where no end is given.
        """
        ends = [] if self.max_steps is None else [self.max_steps]
        if self.num_steps is not None:
            ends.append(start + self.num_steps)
        if self.num_epochs is not None:
            ends.append(start + self.num_epochs * self._steps_in_epoch(steps_in_epoch))
        if not ends:
            what = "nothing says how long to train"
            raise InvalidInput(what, where="runconfig", fix="set max_steps, num_steps or num_epochs")
        return max(start, min(ends))

    def _steps_in_epoch(self, measured: int | None) -> int:
        steps = self.steps_per_epoch or measured
        if steps is None:
            what = "num_epochs is set, but the data loader does not know its length"
            raise InvalidInput(what, where="runconfig.num_epochs", fix="set runconfig.steps_per_epoch too")
        return steps


class InputSection(BaseModel):
    """Keys of `train_input` and `eval_input` that have one meaning everywhere. A user's loader may read others."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    data_dir: str | list[str] | None = None
    batch_size: Count | None = None
    shuffle: bool | None = None
    shuffle_seed: Index | None = None
    drop_last_batch: bool | None = None
    to_float16: bool | None = None
    num_workers: Index | None = None
    use_fake_data: bool | None = None


class ModelSection(BaseModel):
    """Keys of `model` that the project reads; all others belong to the user's model.

    mixed_precision: activations in float16, weights in float32. use_bfloat16: activations in bfloat16 instead.
    emulate_float16: float16 with its rounding and its range; without it float16 is computed in float32.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    mixed_precision: bool = True
    use_bfloat16: bool = False
    emulate_float16: bool = False
    allow_multireplica: bool = True


class CsConfig(BaseModel):
    """The `csconfig` section."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    use_cbfloat16: bool = False


def check(params: Mapping[str, Any], where: str, own_flags: frozenset[str] = frozenset()) -> RunConfig:
    """Check every section; give back the typed `runconfig`.

    where: the file, for the error. own_flags: flags that the user's own parser added; they are no runconfig keys.
    Raises InvalidInput that lists all problems, each with section.key, what is there and what is allowed.
    """
    runconfig = runconfig_of(params, own_flags)
    checks: dict[str, SectionCheck] = {
        **input_checks(),
        "model": lambda s: typed("model", ModelSection, s),
        "optimizer": _optimizer_problems,
        "runconfig": lambda _: _runconfig_problems(runconfig),
        "csconfig": lambda s: typed("csconfig", CsConfig, s),
    }
    refuse_all(section_problems(params, checks, trains=runconfig.get("mode") != "eval"), where)
    return RunConfig(**runconfig)


def input_checks() -> dict[str, SectionCheck]:
    """The checks of the sections that have one meaning for every framework."""
    return {name: partial(_input_problems, name) for name in ("train_input", "eval_input")}


def refuse_all(found: Iterable[str], where: str) -> None:
    """Raises InvalidInput that lists all problems, where there is one."""
    problems = list(found)
    if problems:
        several = [f"{len(problems)} problems in the params", *problems]
        what = problems[0] if len(problems) == 1 else "\n  - ".join(several)
        raise InvalidInput(what, where=where)


def runconfig_of(params: Mapping[str, Any], own_flags: frozenset[str]) -> dict[str, Any]:
    """The `runconfig` section without the flags that a user's own parser added."""
    content = params.get("runconfig")
    return {k: v for k, v in content.items() if k not in own_flags} if isinstance(content, dict) else {}


def section_problems(params: Mapping[str, Any], checks: Mapping[str, SectionCheck], trains: bool) -> Iterator[str]:
    """The problems of all sections. checks: section -> its check, for each section that may be there."""
    if "optimizer" not in params and trains:
        yield "optimizer: the section is missing; training needs its optimizer_type and learning_rate"
    for section, content in params.items():
        if section not in SECTIONS:
            yield f"{section}: there is no such section; {nearest(str(section), SECTIONS)}"
        elif not isinstance(content, dict):
            yield f"{section} is {content!r}; it must be a mapping of keys to values"
        else:
            yield from checks[section](content)


def typed(section: str, model: type[BaseModel], content: Mapping[str, Any]) -> Iterator[str]:
    """The problems that a section's typed model finds in it."""
    try:
        model.model_validate(dict(content))
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            name = ".".join(map(str, (section, problem["loc"][0] if problem["loc"] else "")))
            if problem["type"] == "extra_forbidden":
                yield f"{name}: there is no such key; {nearest(str(problem['loc'][0]), list(model.model_fields))}"
            else:
                allowed = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
                yield f"{name} is {problem['input']!r}; it must be {allowed}"


def _input_problems(section: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield from typed(section, InputSection, content)
    known = list(InputSection.model_fields)
    for key in content:
        close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.85)
        if key not in known and close and close[0] not in content:
            yield f"{section}.{key}: there is no such key; did you mean {close[0]!r}?"


def _optimizer_problems(content: Mapping[str, Any]) -> Iterator[str]:
    try:
        OptimizerSpec.from_params(dict(content))
    except Fault as fault:
        where = "" if fault.where in fault.what else f"{fault.where}: "
        yield f"{where}{fault.what}" + (f"; {fault.fix}" if fault.fix else "")


def _runconfig_problems(content: Mapping[str, Any]) -> Iterator[str]:
    yield from typed("runconfig", RunConfig, content)
    if content.get("num_epochs") is not None and content.get("num_steps") is not None:
        yield "runconfig.num_epochs and runconfig.num_steps are both set; they say the same thing, keep one"
    if content.get("validate_only") and content.get("compile_only"):
        yield "runconfig.validate_only and runconfig.compile_only are both set; keep one"
    replicas = content.get("num_replicas")
    if isinstance(replicas, int) and replicas > 1 and not content.get("multireplica"):
        yield "runconfig.num_replicas is set without runconfig.multireplica, which asks for several replicas"
    if content.get("cpu") and content.get("cs_ip"):
        yield "runconfig.cpu and runconfig.cs_ip are both set; cpu is for runs off the system, keep one"
    if content.get("is_pretrained_checkpoint") and not content.get("checkpoint_path"):
        yield "runconfig.is_pretrained_checkpoint is set without runconfig.checkpoint_path, which it describes"
    yield from _skipping_problems(content)


def _skipping_problems(content: Mapping[str, Any]) -> Iterator[str]:
    nowhere = not any(content.get(key) for key in ("cs_ip", "validate_only", "compile_only"))
    if content.get("skip") and nowhere and content.get("mode", "train") != "eval":
        yield "runconfig.skip is set without runconfig.cs_ip; a run off the system passes over nothing"
    for key in ("bad_samples_in_a_row", "bad_samples_fraction"):
        if content.get(key) is not None and content.get("bad_samples") != "skip":
            yield f"runconfig.{key} is set without runconfig.bad_samples: skip, which it bounds"
