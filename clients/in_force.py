"""The params in force: the file, what the command line says instead, the model's defaults, and where the data is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from clients import params as params_files
from clients.arguments import Arguments
from clients.paths import resolve_data
from clients.sources import model_errors
from wire.findings import Findings

DefaultParams = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Fills in params, in place or as its result."""


class _HasMode(Protocol):
    @property
    def mode(self) -> str: ...


Config = TypeVar("Config", bound=_HasMode)


def in_force(  # noqa: PLR0913, PLR0917 - what is asked for, what a framework says of params, and where problems go
    arguments: Arguments,
    folder: Path,
    defaults: DefaultParams | None,
    check: Callable[[Mapping[str, Any], str, frozenset[str]], Config],
    read_in: Mapping[str, Collection[str]],
    findings: Findings | None = None,
) -> tuple[dict[str, Any], Config]:
    """The params in force, and their runconfig as a typed section.

    folder: of run.py, where model_dir is unless something says otherwise. check: params, the file's name, own flags ->
    the typed section. read_in: input section -> the modes that read it. findings: where data that is not there is
    told, and the caller goes on; without it that is raised. Raises InvalidInput and NotFound.
    """
    missing = Findings() if findings is None else findings
    params = params_files.override(params_files.load(arguments.params), arguments.overrides)
    where, own = str(arguments.params), frozenset(arguments.own)
    for section in ("model", "runconfig"):
        params.setdefault(section, {})
    if isinstance(params["runconfig"], dict):
        params["runconfig"].update({**arguments.own, **arguments.flags})
    check(params, where, own)
    if defaults is not None:
        with model_errors("filling in default params"):
            params = defaults(params) or params
    runconfig = params["runconfig"]
    runconfig["model_dir"] = str(Path(runconfig.get("model_dir") or folder / "model_dir").absolute())
    mode = check(params, where, own).mode
    for name, modes in read_in.items():
        if name in params and mode in modes:
            with missing:
                params[name] = resolve_data(params[name], name, arguments.params)
    if findings is None:
        missing.settle()
    config = check(params, where, own)
    runconfig["mode"] = config.mode
    return params, config
