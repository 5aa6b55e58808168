"""Finds the old modules, after everybody else was asked: a user's own package of the same name is never shadowed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from compat.names import HOMES, ROOTS, is_package

log = logging.getLogger("compat")

_ORIGIN = "compat"
_FIX = "docs/compatibility.md says what is"


class OldModule(ModuleType):
    """A module of that time: its names are those of its home here."""

    __path__: list[str]

    def __getattr__(self, name: str) -> Any:
        below = f"{self.__name__}.{name}"
        if below in HOMES:
            return import_module(below)
        home = HOMES.get(self.__name__)
        if home is not None and name in (known := import_module(home)).__all__:
            return getattr(known, name)
        if not name.startswith("__"):
            log.warning("%s is not supported: %s", below, _FIX)
        raise AttributeError(f"{below} is not supported here; {_FIX}")

    def __dir__(self) -> list[str]:
        home = HOMES.get(self.__name__)
        own = list(import_module(home).__all__) if home is not None else []
        below = [name.rpartition(".")[2] for name in HOMES if name.rpartition(".")[0] == self.__name__]
        return sorted({*own, *below})


class OldNames(MetaPathFinder, Loader):
    """Stands last among the finders."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """The spec of an old module; None for one that is none of ours.

        Raises ModuleNotFoundError, and says so, for one that code of that time had and that is not supported.
        """
        if name in HOMES:
            return ModuleSpec(name, self, origin=_ORIGIN, is_package=is_package(name))
        root = name.partition(".")[0]
        if root in ROOTS and isinstance(sys.modules.get(root), OldModule):
            log.warning("%s is not supported: %s", name, _FIX)
            raise ModuleNotFoundError(f"{name} is not supported here; {_FIX}", name=name)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Import its home now, so that what is missing there is said by the import itself."""
        home = HOMES[module.__name__]
        if home is not None:
            import_module(home)


def install() -> None:
    """Let the old modules be found in this process, once."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
