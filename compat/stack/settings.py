"""`cerebras.pb.*`: what projects tell the compiler of that time. It is kept; what means something here is read."""

from __future__ import annotations

from typing import Any

AP_DISABLED, AP_ENABLED = 0, 1
TS_DISABLED, TS_ENABLED = 1, 2
T_F16, T_BF16, T_F32, T_I32 = range(4)


class FullConfig:
    """A tree of settings: a branch springs into being when it is asked for.

    Here only `target_num_replicas` means something: 1 for one replica, another number for --multireplica.
    """

    def __init__(self, **settings: Any) -> None:
        vars(self).update(settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        branch = type(self)()
        setattr(self, name, branch)
        return branch

    def __bool__(self) -> bool:
        return bool(vars(self))


class CSConfig(FullConfig):
    """Settings of the cluster of that time."""


__all__ = [
    "AP_DISABLED",
    "AP_ENABLED",
    "TS_DISABLED",
    "TS_ENABLED",
    "T_BF16",
    "T_F16",
    "T_F32",
    "T_I32",
    "CSConfig",
    "FullConfig",
]
