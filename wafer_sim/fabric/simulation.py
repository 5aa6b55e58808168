"""The same machines as events, one by one: what the closed forms are held to."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

import simpy

from wafer_sim.fabric.result import Estimate
from wafer_sim.fabric.streaming import Turn
from wafer_sim.fabric.timing import links, turned_round
from wafer_sim.fabric.work import TRAINING, Work

PLACES = 2  # for the weights of layers
_Events = Generator[simpy.Event, object, None]
_Parts = Sequence[simpy.Event]  # by part of a sample, that it is done
_Turn = tuple[bool, int]  # whether it is the way back, and the number of the sample


@dataclass(frozen=True, slots=True)
class Simulated:
    """cycles: of a batch of one replica. in_flight: by kernel, the most samples it held at once."""

    cycles: float
    in_flight: tuple[int, ...]


def simulate_pipeline(work: Work, estimate: Estimate) -> Simulated:
    """One batch of one replica as it was placed. A sample is let in every interval. A kernel does one part at a time,
    when the parts it needs are there; what goes forward interrupts what goes back, so that nobody waits for input."""
    run = _Pipeline(work, estimate)
    for sample in range(estimate.batch.size):
        run.environment.process(run.sample(sample))
    run.environment.run()
    once = estimate.batch.update + estimate.batch.reduce
    pause = 0.0 if work.mode == TRAINING else estimate.batch.fill
    return Simulated(run.environment.now + once - pause, tuple(run.most))


def simulate_streaming(turns: Iterable[Turn]) -> float:
    """Cycles of a batch in weight streaming: the link in, the wafer with places for two layers, the link out."""
    environment = simpy.Environment()
    places = simpy.Container(environment, PLACES, PLACES)
    taken = list(turns)
    there = [environment.event() for _ in taken]
    worked = [environment.event() for _ in taken]

    def fetch() -> _Events:
        for turn, event in zip(taken, there, strict=True):
            if turn.comes:
                yield places.get(1)
                yield environment.timeout(turn.comes)
            event.succeed()

    def work() -> _Events:
        for turn, ready, event in zip(taken, there, worked, strict=True):
            yield ready
            yield environment.timeout(turn.works)
            if turn.comes:
                yield places.put(1)
            event.succeed()

    def send() -> _Events:
        for turn, ready in zip(taken, worked, strict=True):
            yield ready
            yield environment.timeout(turn.goes)

    for part in (fetch, work, send):
        environment.process(part())
    environment.run()
    return float(environment.now)


@dataclass
class _Pipeline:
    work: Work
    estimate: Estimate
    environment: simpy.Environment = field(default_factory=simpy.Environment)

    def __post_init__(self) -> None:
        self.parts = [max(kernel.parts, 1) for kernel in self.work.kernels]
        self.feeds = links(self.work)
        self.servers = [simpy.PreemptiveResource(self.environment) for _ in self.parts]
        self.held = [0] * len(self.parts)
        self.most = [0] * len(self.parts)

    def sample(self, number: int) -> _Events:
        """A sample's way: it comes, goes forward through all kernels, and in training back."""
        yield self.environment.timeout(number * self.estimate.batch.interval)
        yield self._through((False, number), self.feeds, list(range(len(self.parts))))
        if self.work.mode == TRAINING:
            yield self._through((True, number), turned_round(self.feeds), list(range(len(self.parts)))[::-1])

    def _through(self, turn: _Turn, feeds: Sequence[Sequence[int]], places: Sequence[int]) -> simpy.Event:
        """Through all kernels in the order of `places`; the event of the last one's end."""
        done = [[self.environment.event() for _ in range(self.parts[place])] for place in places]
        visits = [
            self._visit(turn, place, own, [done[source] for source in sources])
            for place, own, sources in zip(places, done, feeds, strict=True)
        ]
        return simpy.AllOf(self.environment, [self.environment.process(visit) for visit in visits])

    def _visit(self, turn: _Turn, place: int, own: _Parts, needed: Sequence[_Parts]) -> _Events:
        """One phase of one sample in one kernel, part by part."""
        back, count = turn[0], len(own)
        takes = self.estimate.kernels[place].backward if back else self.estimate.kernels[place].forward
        for part, event in enumerate(own):
            yield simpy.AllOf(self.environment, [parts[-(-len(parts) * (part + 1) // count) - 1] for parts in needed])
            if part == 0 and not back:
                self._hold(place, 1)
            yield from self._work(self.servers[place], takes / count, turn[1] + turn[0] * self.estimate.batch.size)
            event.succeed()
        if back or self.work.mode != TRAINING:
            self._hold(place, -1)

    def _work(self, server: simpy.PreemptiveResource, left: float, urgency: int) -> _Events:
        """Work for `left` cycles on a kernel's cores, whenever nothing more urgent is there."""
        while left > 0:
            with server.request(priority=urgency) as granted:
                since = None
                try:
                    yield granted
                    since = self.environment.now
                    yield self.environment.timeout(left)
                    left = 0.0
                except simpy.Interrupt:
                    left -= 0.0 if since is None else self.environment.now - since

    def _hold(self, place: int, change: int) -> None:
        self.held[place] += change
        self.most[place] = max(self.most[place], self.held[place])
