"""What has to be placed: a model as kernels that feed each other. What the compiler gives to the fabric."""

from __future__ import annotations

from dataclasses import dataclass

TRAINING = "training"
INFERENCE = "inference"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of a model: a layer's work, forward, backward and update together.

    name: unique, as the user finds it ("fc1.matmul"). kind: of the kernel library ("matmul", "layer_norm"). source: the
    user's line, "model.py:41". inputs: names of the kernels whose results it takes; none for one that takes the input.
    Per sample: macs (multiply-accumulates) and other (other arithmetic operations), forward; backward_macs and
    backward_other, backward, 0 in inference; bytes_in and bytes_out, what comes over the fabric and goes on, forward.
    Per kernel: weight_bytes and optimizer_bytes that it holds; update: operations of one weight update.
    kept_bytes: per sample in flight, what the forward pass keeps for the backward one. most_cores: beyond so many cores
    it has nothing to divide. parts: in how many parts a sample comes and goes of which each can be worked on when it is
    there (the tokens of a feed-forward layer, the rows of an image); 1: nothing leaves before all has come (attention).
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    macs: int
    other: int
    backward_macs: int
    backward_other: int
    bytes_in: int
    bytes_out: int
    weight_bytes: int
    optimizer_bytes: int
    update: int
    kept_bytes: int
    most_cores: int
    source: str = ""
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """A model to be placed. kernels: in an order in which each comes behind its inputs. mode: TRAINING or INFERENCE.

    batch_size: samples of one weight update of one replica. input_bytes: of one sample, as it arrives at the wafer.
    precision: "float16", "bfloat16" or "float32", what the arithmetic is done in.
    """

    kernels: tuple[Kernel, ...]
    mode: str
    batch_size: int
    input_bytes: int
    precision: str = "float16"

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for kernel in self.kernels:
            if kernel.name in seen or not seen.issuperset(kernel.inputs):
                raise ValueError(f"kernel {kernel.name!r} comes twice, or before what feeds it")
            seen.add(kernel.name)
