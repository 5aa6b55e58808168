"""Streams are shared evenly, pins are kept, and little moves."""

from collections import Counter
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.coordinator.assignment import Host, assign, eligible

ON_TIME = st.just(frozenset())


@st.composite
def cases(draw, lateness=ON_TIME):
    """Streams, hosts, and who hosted what before. lateness: the streams that a host was late with."""
    streams = draw(st.integers(1, 12))
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8))
    hosts = [Host(name, draw(st.none() | st.integers(0, streams + 2)), draw(lateness)) for name in names]
    former = st.none() | st.sampled_from("abcdefghxyz")
    current = {s: w for s in range(streams) if (w := draw(former)) is not None}
    return streams, hosts, current


LATE = cases(ON_TIME | st.frozensets(st.integers(0, 11), max_size=3))


@given(LATE)
def test_the_streams_are_shared_evenly(case):
    """Workers that take any stream and are not late differ by at most one in the number they host."""
    streams, hosts, current = case
    counts = Counter(assign(streams, hosts, current).values())
    shares = [counts[host.worker_id] for host in hosts if host.pinned is None and not host.late]
    assert not shares or max(shares) - min(shares) <= 1


@given(cases())
def test_a_pinned_worker_hosts_its_stream_and_no_other(case):
    """The first worker pinned to a stream gets exactly that one; a later one, or one pinned beyond, gets none."""
    streams, hosts, current = case
    got = assign(streams, hosts, current)
    taken = set()
    for host in hosts:
        if host.pinned is None:
            continue
        mine = [s for s, w in got.items() if w == host.worker_id]
        first = host.pinned < streams and host.pinned not in taken
        assert mine == ([host.pinned] if first else [])
        taken.add(host.pinned)


@given(LATE)
def test_every_stream_that_can_be_hosted_is(case):
    """A stream is without a host only if nobody takes any stream and nobody is pinned to it."""
    streams, hosts, current = case
    got = assign(streams, hosts, current)
    anybody = any(host.pinned is None for host in hosts)
    assert set(got) == {s for s in range(streams) if anybody or any(h.pinned == s for h in hosts)}
    assert set(got.values()) <= {host.worker_id for host in hosts}


@given(cases())
def test_no_stream_moves_without_need(case):
    """No even way of sharing keeps more streams where they are (compared with all of them, where there are few)."""
    streams, hosts, current = case
    sharers = [h.worker_id for h in hosts if h.pinned is None]
    got = assign(streams, hosts, current)
    free = [s for s, w in got.items() if w in sharers]
    if not sharers or len(sharers) ** len(free) > 3000:
        return
    kept = sum(current.get(s) == got[s] for s in free)
    best = 0
    for way in product(sharers, repeat=len(free)):
        counts = Counter(way)
        shares = [counts[w] for w in sharers]
        if max(shares) - min(shares) <= 1:
            best = max(best, sum(current.get(s) == w for s, w in zip(free, way, strict=True)))
    assert kept == best


@given(LATE)
def test_a_late_worker_gets_nothing_that_another_can_host(case):
    """Where a worker that is not late takes any stream, late ones keep at most what they had, and are not late with."""
    streams, hosts, current = case
    got = assign(streams, hosts, current)
    if not any(host.pinned is None and not host.late for host in hosts):
        return
    for host in hosts:
        mine = {s for s, w in got.items() if w == host.worker_id}
        if host.late and host.pinned is None:
            assert mine <= {s for s, w in current.items() if w == host.worker_id} - host.late
            assert len(mine) <= -(-streams // sum(h.pinned is None for h in hosts))
        elif host.late:
            assert host.pinned not in host.late or not mine


@given(LATE)
def test_nobody_hosts_what_it_was_late_with_if_another_was_not(case):
    """Also where only late workers are left."""
    streams, hosts, current = case
    got = assign(streams, hosts, current)
    late = {host.worker_id: host.late for host in hosts}
    for stream, worker in got.items():
        if stream in late[worker]:
            assert all(stream in h.late for h in hosts if h.pinned in (None, stream))


@given(LATE)
def test_one_late_stream_alone_moves(case):
    """From a settled state without lateness, a stream that is late with its host is the only one that moves."""
    streams, hosts, current = case
    hosts = [Host(host.worker_id) for host in hosts]
    before = assign(streams, hosts, current)
    if len(hosts) < 2:
        return
    late = [Host(h.worker_id, None, frozenset({0}) if h.worker_id == before[0] else frozenset()) for h in hosts]
    after = assign(streams, late, before)
    assert {s for s in before if after[s] != before[s]} == {0}


@given(LATE)
def test_the_answer_is_settled(case):
    """The same arguments give the same answer, and assigning again from it moves nothing."""
    streams, hosts, current = case
    got = assign(streams, hosts, current)
    assert got == assign(streams, hosts, current) == assign(streams, hosts, got)


def test_a_loader_is_needed_where_there_is_no_recipe(spec):
    """A run without a recipe is for workers that were started with a loader."""
    assert not eligible("", False, spec(recipe=""))
    assert eligible("", True, spec(recipe=""))


def test_a_session_serves_its_own_runs_only(spec):
    """A worker of another session is not eligible; one of none is."""
    assert not eligible("other", True, spec(session="mine"))
    assert eligible("mine", False, spec(session="mine"))
    assert eligible("", False, spec(session="mine"))
