"""Works for the tests of the fabric: a plain one, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

from wafer_sim.fabric.work import INFERENCE, TRAINING, Kernel, Work


def kernel(name: str, inputs: tuple[str, ...] = (), **given: int | str) -> Kernel:
    """A kernel of some work; what is given replaces it."""
    plain: dict[str, int | str] = {
        "kind": "matmul",
        "macs": 4_000,
        "other": 40,
        "backward_macs": 8_000,
        "backward_other": 40,
        "bytes_in": 200,
        "bytes_out": 100,
        "weight_bytes": 8_000,
        "optimizer_bytes": 16_000,
        "update": 24_000,
        "kept_bytes": 200,
        "most_cores": 2_000,
    }
    return Kernel(name=name, inputs=inputs, **(plain | given))


def chain(count: int, batch_size: int = 32, mode: str = TRAINING, **given: int | str) -> Work:
    """Kernels one behind the other."""
    names = [f"k{i}" for i in range(count)]
    kernels = tuple(kernel(name, (names[i - 1],) if i else (), **given) for i, name in enumerate(names))
    return Work(kernels, mode, batch_size, 100)


@st.composite
def works(draw: st.DrawFn, most: int = 8) -> Work:
    """Random graphs of kernels with skip connections, in parts or whole, that fit on the small machine."""
    kernels: list[Kernel] = []
    training = draw(st.booleans())
    for i in range(draw(st.integers(1, most))):
        names = [each.name for each in kernels]
        inputs = tuple({names[-1], draw(st.sampled_from(names))}) if names else ()
        macs = draw(st.integers(0, 20_000))
        kernels.append(
            kernel(
                f"k{i}",
                inputs,
                macs=macs,
                other=draw(st.integers(1, 400)),
                backward_macs=training * macs * (2 if i else 1),
                backward_other=training * draw(st.integers(1, 400)),
                bytes_in=draw(st.integers(2, 800)),
                bytes_out=draw(st.integers(2, 800)),
                weight_bytes=draw(st.integers(0, 40_000)),
                optimizer_bytes=draw(st.integers(0, 40_000)),
                kept_bytes=draw(st.integers(0, 400)),
                most_cores=draw(st.integers(1, 900)),
                parts=draw(st.sampled_from((1, 1, 2, 4, 8))),
            )
        )
    mode = TRAINING if training else INFERENCE
    return Work(tuple(kernels), mode, draw(st.sampled_from((32, 64, 96))), draw(st.integers(1, 100)))
