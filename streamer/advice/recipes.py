"""What is to be said of a native recipe, over the data that it names."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.advice import Remark
from streamer.pipeline import Input
from streamer.recipe import Recipe
from streamer.sources import IndexedSource
from streamer.sources.kept import size_in_memory


def remarks_on(recipe: Recipe, opened: Input, section: str) -> Iterator[Remark]:
    """The remarks on a section of the params. opened: its data. Nothing of it is read."""
    source = opened.source
    if not isinstance(source, IndexedSource):
        return
    yield from _unindexed(source, section)
    yield from _shuffled_too_far(recipe, source, section)
    yield from _shuffled_too_near(recipe, source, section)
    yield from _interleaved(recipe, source, section)
    yield from _cast_early(recipe, opened, section)
    yield from _unready(recipe, section)
    yield from _not_read(recipe, section)


def _unindexed(source: IndexedSource, section: str) -> Iterator[Remark]:
    files: int = getattr(source, "unindexed", 0)
    if files:
        yield Remark(
            f"{section}.data_dir",
            f"{files:,} TFRecord file{'s' if files > 1 else ''} without an index",
            "every process that opens them walks over all of them first, to find the records",
            "run `streamer index` on this folder once",
        )


def _shuffled_too_far(recipe: Recipe, source: IndexedSource, section: str) -> Iterator[Remark]:
    kept: float = getattr(source, "kept", 1.0)
    if not recipe.shuffle or recipe.shuffle_block_rows or kept >= 1:
        return
    rows, groups = len(source), len(source.blocks)
    touched = groups * (1 - (1 - 1 / groups) ** recipe.batch_size)
    decoded = touched * (1 - kept) * rows / groups / recipe.batch_size
    if decoded > 2:
        yield Remark(
            f"{section}.shuffle",
            "rows anywhere in data that does not fit into memory",
            f"a batch of {recipe.batch_size:,} has rows of about {touched:,.0f} row groups: {decoded:,.0f} rows are "
            "decoded for each one that is used",
            f"shuffle_block_rows: {max(source.blocks)}, which reads each row group once in an epoch",
        )


def _shuffled_too_near(recipe: Recipe, source: IndexedSource, section: str) -> Iterator[Remark]:
    window = recipe.shuffle_block_rows * recipe.shuffle_window_blocks
    if recipe.shuffle and 0 < window <= recipe.batch_size and window < len(source):
        yield Remark(
            f"{section}.shuffle_window_blocks",
            f"a window of {window:,} rows",
            f"rows are mixed within {recipe.shuffle_window_blocks} blocks of {recipe.shuffle_block_rows}, no more than "
            f"a batch of {recipe.batch_size:,}, so a batch has neighbours in it",
            "more window_blocks, or larger blocks: a window of many batches",
        )


def _interleaved(recipe: Recipe, source: IndexedSource, section: str) -> Iterator[Remark]:
    parts, cycle = len(source.blocks), recipe.interleave_cycle_length
    if cycle == 1 and parts > 1:
        yield Remark(
            f"{section}.interleave_cycle_length",
            "1",
            f"one of {parts:,} parts is read after the other, as without it",
            f"interleave_cycle_length: {min(4, parts)}, or leave it out",
        )
    elif cycle > parts:
        yield Remark(
            f"{section}.interleave_cycle_length",
            f"{cycle}",
            f"there {'is one part' if parts == 1 else f'are {parts:,} parts'} to read in turn, and no more are open",
            "leave it out" if parts == 1 else f"interleave_cycle_length: {parts}",
        )


def _cast_early(recipe: Recipe, opened: Input, section: str) -> Iterator[Remark]:
    sent, made = size_in_memory(opened.spec, 1), size_in_memory(opened.source.spec, 1)
    if recipe.cast_at == "worker" and sent is not None and made is not None and made < sent:
        yield Remark(
            f"{section}.cast_at",
            "worker",
            "columns are scaled and cast before they travel, and are larger then",
            "cast_at: arrival; what the model gets is the same",
            f"{sent:,} bytes a sample on the way as it is, {made:,} with arrival",
        )


def _unready(recipe: Recipe, section: str) -> Iterator[Remark]:
    if recipe.prefetch == 1:
        yield Remark(
            f"{section}.prefetch",
            "1",
            "reading waits whenever one batch is ready that was not sent yet",
            "leave it out: workers find out how many help",
        )


def _not_read(recipe: Recipe, section: str) -> Iterator[Remark]:
    if recipe.num_workers:
        yield Remark(
            f"{section}.num_workers",
            f"{recipe.num_workers}",
            "it is accepted, and does nothing here",
            "runconfig.num_workers says how many worker processes read",
        )
