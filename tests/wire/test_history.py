"""Histories: short accounts of what a stream gave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wire.cursor import Cursor
from wire.history import BEGINNING, digest_of, history_after

digests = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8)


def history(of: list[int], stream: int = 0) -> bytes:
    value = BEGINNING
    for sequence, digest in enumerate(of):
        value = history_after(value, Cursor(stream, 0, sequence), digest)
    return value


@given(digests, digests)
def test_a_history_tells_what_was_given(one: list[int], other: list[int]) -> None:
    """The same batches give the same 16 bytes; other batches, another order or another stream give others."""
    assert len(history(one)) == 16
    assert (history(one) == history(other)) == (one == other)
    assert history(one) != history(one, stream=1)


@given(st.binary(), st.binary())
def test_a_digest_is_of_all_bytes(one: bytes, other: bytes) -> None:
    """Bytes given in parts or at once have one digest; others have another."""
    assert digest_of(one, other) == digest_of(one + other)
    assert (digest_of(one) == digest_of(other)) == (one == other)
    assert 0 <= digest_of(one) < 2**64
