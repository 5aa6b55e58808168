"""Who is late is told; a stall of everything is not blamed on one stream; what it cost is counted apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from wafer_sim.ingest.punctuality import Punctuality


@dataclass
class Port:
    """What the watch sees of a stream."""

    stream: int
    host: str = ""
    hosts: int = 0
    ready: bool = False
    ended: bool = False

    def hosted(self, host: str) -> None:
        self.host, self.hosts = host, self.hosts + 1


@dataclass
class Scene:
    """Two streams; a step waits for the first one."""

    ports: dict[int, Any] = field(default_factory=lambda: {stream: Port(stream) for stream in range(2)})
    told: list[tuple[int, str, float]] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Punctuality(
            self.ports,
            60.0,
            lambda _, seconds: self.totals.append(seconds),
            lambda port, seconds: self.told.append((port.stream, port.host, seconds)),
        )

    def wait(self, halves: int) -> None:
        for _ in range(halves):
            self.watch.waiting(self.ports[0], 0.5)

    def comes(self, rest: float = 0.0) -> None:
        self.watch.came(self.ports[0], SimpleNamespace(host=self.ports[0].hosts), rest)  # type: ignore[arg-type]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_stream_that_never_gave_is_late_after_three_seconds_and_told_again_with_pauses(scene: Scene) -> None:
    """At 3, 6, 12 and 24 seconds, with its host and how long it is."""
    scene.ports[0].hosted("slow")
    scene.ports[1].hosted("quick")
    scene.wait(60)
    assert scene.told == [(0, "slow", 3.0), (0, "slow", 6.0), (0, "slow", 12.0), (0, "slow", 24.0)]


def test_a_new_host_is_given_its_time(scene: Scene) -> None:
    """The wait counts anew for it, twice as long as for the one that gave nothing; the whole wait is told all along."""
    scene.ports[0].hosted("slow")
    scene.ports[1].hosted("quick")
    scene.wait(6)
    scene.ports[0].hosted("other")
    scene.wait(12)
    assert scene.told == [(0, "slow", 3.0), (0, "other", 6.0)]
    assert scene.totals[-1] == 9.0


@pytest.mark.parametrize("others", ["same host", "no host", "ended"])
def test_a_stall_of_everything_is_blamed_on_nobody(scene: Scene, others: str) -> None:
    """While no other stream has a batch, or a host that is another one, nothing is told."""
    scene.ports[0].hosted("one")
    scene.ports[1].ended = others == "ended"
    if others != "no host":
        scene.ports[1].hosted("one" if others == "same host" else "two")
    scene.wait(40)
    assert scene.told == []


def test_it_is_told_as_soon_as_another_stream_goes_on(scene: Scene) -> None:
    """A batch of the same worker's other stream shows that the worker is not what is slow: the stream is."""
    scene.ports[0].hosted("one")
    scene.ports[1].hosted("one")
    scene.wait(20)
    scene.ports[1].ready = True
    scene.wait(1)
    assert scene.told == [(0, "one", 10.5)]


def test_a_stream_without_a_host_is_late_too(scene: Scene) -> None:
    """Nobody came for it while others are hosted: the worker is told as "" ."""
    scene.ports[1].hosted("quick")
    scene.wait(6)
    assert scene.told == [(0, "", 3.0)]


def test_what_a_late_stream_costs_is_the_wait_beyond_the_usual(scene: Scene) -> None:
    """Waits that nobody was told of cost nothing of this kind."""
    scene.ports[0].hosted("one")
    scene.ports[1].hosted("two")
    for _ in range(8):
        scene.comes(0.05)
    scene.wait(1)
    scene.comes()
    assert scene.watch.late_seconds == 0.0
    scene.wait(4)
    scene.comes(0.25)
    assert [seconds for _, _, seconds in scene.told] == [1.0, 2.0]
    assert scene.watch.late_seconds == pytest.approx(2.25 - 0.05)
    scene.comes(0.05)
    assert scene.watch.late_seconds == pytest.approx(2.25 - 0.05)
