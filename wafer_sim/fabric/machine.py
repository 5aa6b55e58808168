"""A machine as numbers. Each one is a file in machines/; no other module knows a number of a machine."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from wire.errors import InvalidInput, NotFound, nearest

DEFAULT = "cs2"
_TABLES = ("fabric", "core", "link")


@dataclass(frozen=True, slots=True)
class Machine:
    """A wafer of width x height equal cores, each with its own memory, and its link to the hosts.

    cores: of the whole wafer, usable or not. link_bytes: per cycle and direction between neighbouring cores.
    hop_cycles: from a core to its neighbour. sram_bytes: of a core; program_bytes of these are taken by code.
    sram_bytes_per_cycle: what a core can read and write. arithmetic_share: of an active core's cycles, those in which
    its vector unit works. By precision: lanes, multiply-accumulates per cycle; value_bytes, of a factor; sum_bytes, of
    a sum. bytes_per_second: of the link to the hosts, in each direction.
    """

    name: str
    title: str
    cores: int
    width: int
    height: int
    clock_hertz: float
    link_bytes: float
    hop_cycles: float
    sram_bytes: int
    program_bytes: int
    sram_bytes_per_cycle: float
    arithmetic_share: float
    lanes: dict[str, float]
    value_bytes: dict[str, float]
    sum_bytes: dict[str, float]
    bytes_per_second: float

    @property
    def area(self) -> int:
        """Usable cores."""
        return self.width * self.height

    @property
    def room(self) -> int:
        """Bytes of a core that a kernel can use."""
        return self.sram_bytes - self.program_bytes

    @property
    def link_bytes_per_cycle(self) -> float:
        """What comes over the link to the hosts in one cycle."""
        return self.bytes_per_second / self.clock_hertz

    def arithmetic(self, precision: str) -> float:
        """Operations per core and cycle. Raises InvalidInput for a precision that the machine does not have."""
        if precision not in self.lanes:
            hint = nearest(precision, tuple(self.lanes))
            raise InvalidInput(f"{self.title} does not compute in {precision!r}", where="precision", fix=hint)
        return self.lanes[precision] * self.arithmetic_share


def names() -> tuple[str, ...]:
    """The machines that come with the package."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml")))


def load(name: str = DEFAULT) -> Machine:
    """A machine by its name, or from a .toml file of the user's. Raises NotFound, InvalidInput."""
    if name.endswith(".toml"):
        return read(Path(name))
    if name not in names():
        raise NotFound(f"no machine {name!r}", where="machine", fix=nearest(name, names()))
    return _machine(tomllib.loads((_folder() / f"{name}.toml").read_text()), name)


def read(path: Path) -> Machine:
    """A machine from a file like those in machines/. Raises NotFound, InvalidInput."""
    try:
        return _machine(tomllib.loads(path.read_text()), str(path))
    except OSError as error:
        raise NotFound(error.strerror or "cannot be read", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"not a TOML file: {error}", where=str(path)) from error


def _machine(table: dict[str, Any], where: str) -> Machine:
    flat = {key: value for key, value in table.items() if key not in _TABLES}
    for part in _TABLES:
        section = table.get(part, {})
        flat |= section if isinstance(section, dict) else {}
    wanted = {field.name for field in fields(Machine)}
    if wrong := sorted(wanted ^ flat.keys()):
        raise InvalidInput(f"missing or unknown: {', '.join(wrong)}", where=where, fix="compare with machines/cs2.toml")
    _check(flat, where)
    return Machine(**flat)


def _check(flat: dict[str, Any], where: str) -> None:
    for key, value in flat.items():
        numbers = [] if key in ("name", "title") else list(value.values()) if isinstance(value, dict) else [value]
        if any(not isinstance(number, int | float) or not number > 0 for number in numbers):
            raise InvalidInput(f"{key} must be above 0", where=where)
    if flat["program_bytes"] >= flat["sram_bytes"] or flat["arithmetic_share"] > 1:
        raise InvalidInput("program_bytes must be less than sram_bytes, arithmetic_share at most 1", where=where)


def _folder() -> Any:
    return files(__package__) / "machines"
