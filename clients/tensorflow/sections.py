"""What the sections of a TensorFlow project's params.yaml may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from clients.sections import (
    Count,
    CsConfig,
    Index,
    ModelSection,
    SectionCheck,
    SystemKeys,
    input_checks,
    refuse_all,
    runconfig_of,
    section_problems,
    typed,
)

Mode = Literal["train", "eval", "eval_all", "train_and_eval", "predict"]
TRAINING = ("train", "train_and_eval")

Seconds = Annotated[float, Field(gt=0, strict=False)]


class RunSection(SystemKeys):
    """The `runconfig` section of a TensorFlow project. Steps are weight updates.

    steps: so many more; max_steps: to this step. save_checkpoints_steps or save_checkpoints_secs: one of them.
    device: where the model's operations are off the system, such as "/gpu:0". checkpoint_path: to begin training
    with, or to evaluate. predict_samples: the most samples that mode predict gives.
    """

    mode: Mode = "train"
    keep_checkpoint_max: Index = 5
    steps: Count | None = None
    save_checkpoints_steps: Count | None = None
    save_checkpoints_secs: Seconds | None = None
    save_summary_steps: Index = 100
    log_step_count_steps: Index = 100
    tf_random_seed: Index | None = 1
    device: str | None = None
    predict_samples: Count | None = None


def check(params: Mapping[str, Any], where: str, own_flags: frozenset[str] = frozenset()) -> RunSection:
    """Check every section; give back the typed `runconfig`. What `optimizer` may hold is the model's affair.

    Raises InvalidInput that lists all problems, each with section.key, what is there and what is allowed.
    """
    runconfig = runconfig_of(params, own_flags)
    checks: dict[str, SectionCheck] = {
        **input_checks(),
        "model": lambda s: typed("model", ModelSection, s),
        "optimizer": lambda _: iter(()),
        "runconfig": lambda _: _runconfig_problems(runconfig),
        "csconfig": lambda s: typed("csconfig", CsConfig, s),
    }
    refuse_all(section_problems(params, checks, trains=runconfig.get("mode", "train") in TRAINING), where)
    return RunSection(**runconfig)


def _runconfig_problems(content: Mapping[str, Any]) -> Iterator[str]:
    yield from typed("runconfig", RunSection, content)
    pairs = (("validate_only", "compile_only"), ("save_checkpoints_steps", "save_checkpoints_secs"))
    for one, other in pairs:
        if content.get(one) and content.get(other):
            yield f"runconfig.{one} and runconfig.{other} are both set; keep one"
    replicas = content.get("num_replicas")
    if isinstance(replicas, int) and replicas > 1 and not content.get("multireplica"):
        yield "runconfig.num_replicas is set without runconfig.multireplica, which asks for several replicas"
    if content.get("device") and content.get("cs_ip"):
        yield "runconfig.device and runconfig.cs_ip are both set; device is for runs off the system, keep one"
    wafer = content.get("cs_ip") or content.get("validate_only") or content.get("compile_only")
    if content.get("fabric_mode", "compute") != "compute" and not wafer:
        yield f"runconfig.fabric_mode is {content['fabric_mode']!r} without runconfig.cs_ip; it is a mode of the wafer"
