"""What is to be said of a tf.data pipeline: its stages, the first one first, as remarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from streamer.advice import Rates, Remark, Stage

Stages = Sequence[Stage]

_READING = ("read", "flat_map", "interleave")
_WORK = (*_READING, "map", "shuffle", "batch", "padded_batch", "filter")
_BATCHING = ("batch", "padded_batch")
_ANEW = (*_READING, "unbatch", "other")
"""Stages whose elements are others than those that go in, such as samples of files."""
_ORDERING = ("shuffle", "repeat", "prefetch", "shard")
_WORTH = 1.5


def remarks_on(stages: Stages) -> Iterator[Remark]:
    """The remarks on a pipeline, in the order of its stages; only lines of the user's are named."""
    for number, stage in enumerate(stages):
        rule = _RULES.get(stage.kind)
        if stage.where and rule is not None:
            yield from rule(stages[:number], stage, stages[number + 1 :])


def one_by_one(stages: Stages) -> Iterator[tuple[int, Stage]]:
    """The user's stages that work on single samples and could on batches: their numbers, each with the batch behind it.

    The last one comes first: a map before one that stays must stay too. Before a cache a map is called once in all.
    """
    batch: Stage | None = None
    for number in reversed(range(len(stages))):
        stage = stages[number]
        if stage.kind == "batch":
            batch = stage if stage.where and stage.size else None
        elif stage.kind in ("map", "prefetch") and batch is not None and stage.where and not stage.python:
            yield number, batch
        elif stage.kind not in _ORDERING:
            batch = None


def _late_shard(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    work = [s for s in before if s.kind in _WORK and (s.where or s.kind in _READING)]
    if any(s.kind in _READING for s in after):
        return  # it shards names of files
    reading_only = all(s.kind in _READING for s in work)
    if work and not (reading_only and any(s.inputs == 1 for s in work)):
        files = any(s.kind in _READING for s in work)
        yield Remark(
            stage.where,
            f"shard() behind {work[0].kind}()",
            "each shard reads and makes all samples, and throws those of the others away",
            "shard what the pipeline begins with"
            + (": the names of its files, if they are as many as shards" if files else ""),
        )


def _shuffle(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    if batch := _last(before, _BATCHING):
        yield Remark(
            stage.where,
            "shuffle() behind batch()",
            f"whole batches are shuffled: the samples that {_place(batch)} put into one stay together in each epoch",
            "shuffle samples, and batch them then",
        )
        return
    batch = _next(after, _BATCHING)
    batched = (batch.size or 0) if batch else 0
    held = stage.size or 0
    if 0 < held <= batched and (stage.inputs is None or stage.inputs > held):
        yield Remark(
            stage.where,
            f"shuffle({held})",
            f"its buffer holds no more than a batch of {batched}, so a batch has neighbours in it",
            "a buffer of many batches, or of all samples where they fit into memory",
        )


def _cache(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    shuffle = None if _next(after, ("shuffle",)) else _last(before, ("shuffle",))
    if repeat := next((s for s in before if s.kind == "repeat"), None):
        yield Remark(
            stage.where,
            "cache() behind repeat()",
            f"what {_place(repeat)} repeats is kept again each time, and is never read back",
            "cache(), and repeat() behind it",
        )
    elif shuffle and shuffle.where:
        yield Remark(
            stage.where,
            "cache() behind shuffle()",
            "the order of the first epoch is kept, and is that of all others",
            "cache(), and shuffle() behind it",
        )
    elif any(s.kind == "map" and s.where and s.random for s in before):
        yield Remark(
            stage.where,
            "cache() behind a map() that draws random numbers",
            "what it drew in the first epoch is kept, and is that of all others",
            "cache() before this map()",
        )


def _map(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    batch = next((s for s in after if s.kind not in (*_ORDERING, "map")), None)
    if batch is None or batch.kind != "batch" or not batch.where or _last(before, _BATCHING):
        return
    if stage.python:
        yield Remark(
            stage.where,
            "Python in a map() of single samples",
            "Python is called for each sample, and only once at a time",
            f"batch first ({_place(batch)}), and let the function take a whole batch; or write it in TensorFlow",
        )
    elif stage.parses:
        yield Remark(
            stage.where,
            "parse_single_example() in a map() of single samples",
            "TensorFlow calls the function for each record",
            f"batch first ({_place(batch)}), and parse a whole batch with tf.io.parse_example",
        )
    elif (rates := stage.rates) and rates.in_batches >= _WORTH * rates.as_it_is:
        yield Remark(
            stage.where,
            "map() before batch()",
            "TensorFlow calls the function for each sample, and a call costs more than what it does",
            f"batch first ({_place(batch)}), then {rates.by}; it gave equal samples",
            _gain(rates, stage),
        )


def _flat_map(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    if stage.reads and not stage.python and _longer(stage):
        yield Remark(
            stage.where,
            "flat_map() over files",
            "one file is read after the other",
            "interleave(..., cycle_length=4, num_parallel_calls=tf.data.AUTOTUNE); samples then come in another order",
        )


def _interleave(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    if not _longer(stage):
        return
    if stage.cycle == 1 and stage.reads:
        yield Remark(
            stage.where,
            "interleave(cycle_length=1)",
            "one file is read after the other",
            "cycle_length=4, say, with num_parallel_calls=tf.data.AUTOTUNE; samples then come in another order",
        )
    elif stage.cycle == -1:
        yield Remark(
            stage.where,
            "interleave() without a cycle_length",
            "TensorFlow takes one that fits the machine's cores: on another machine samples may come in another order, "
            "and a run that goes on there is another one",
            "cycle_length=4, say, and num_parallel_calls=tf.data.AUTOTUNE, which changes no order",
        )
    elif stage.reads and not stage.parallel and not stage.python:
        yield Remark(
            stage.where,
            "interleave() without num_parallel_calls",
            "its files are read in turn, never two at once",
            "add num_parallel_calls=tf.data.AUTOTUNE; the order stays",
        )


def _read(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    if not stage.parallel and stage.inputs is not None and stage.inputs > 1:
        yield Remark(
            stage.where,
            f"{stage.inputs} files without num_parallel_reads",
            "one file is read after the other",
            "num_parallel_reads=4, say; samples then come in another order",
        )


def _prefetch(before: Stages, stage: Stage, after: Stages) -> Iterator[Remark]:
    batch = _next(after, ("batch",))
    if batch and (rates := stage.rates) and rates.in_batches >= _WORTH * rates.as_it_is:
        yield Remark(
            stage.where,
            "prefetch() of single samples",
            "each sample is handed from one thread to another",
            f"batch first ({_place(batch)}), and .prefetch(tf.data.AUTOTUNE) at the end",
            _gain(rates, stage),
        )


_RULES: dict[str, Callable[[Stages, Stage, Stages], Iterator[Remark]]] = {
    "shard": _late_shard,
    "shuffle": _shuffle,
    "cache": _cache,
    "map": _map,
    "flat_map": _flat_map,
    "interleave": _interleave,
    "read": _read,
    "prefetch": _prefetch,
}


def _longer(stage: Stage) -> bool:
    """Whether more than one element may go into a stage."""
    return stage.inputs is None or stage.inputs > 1


def _last(before: Stages, kinds: Sequence[str]) -> Stage | None:
    """The last stage of these kinds that has to do with the same elements."""
    return _next(list(reversed(before)), kinds)


def _next(after: Stages, kinds: Sequence[str]) -> Stage | None:
    """The next stage of these kinds that has to do with the same elements."""
    found = next((s for s in after if s.kind in (*kinds, *_ANEW)), None)
    return found if found is not None and found.kind in kinds else None


def _place(stage: Stage) -> str:
    return stage.where or f"{stage.kind}()"


def _gain(rates: Rates, stage: Stage) -> str:
    return (
        f"this {stage.kind}() alone, in batches of {rates.batch:,}: {rates.as_it_is:,.0f} samples/s as it is, "
        f"{rates.in_batches:,.0f} behind batch()"
    )
