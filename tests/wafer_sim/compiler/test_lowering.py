"""From a user's model to work for the fabric."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from wafer_sim.compiler.lowering import lower, stages, texts
from wafer_sim.compiler.program import GRADIENTS, Entry, Node, Program, Ref
from wafer_sim.compiler.training import HYPER_PARAMETERS, OptimizerSpec
from wafer_sim.fabric.work import INFERENCE, TRAINING
from wafer_sim.graph.text_reader import from_text
from wafer_sim.graph.validity import STAGES
from wire.errors import NotFound, Refused

GOLDEN = Path(__file__).with_name("golden")
ADAM = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 0.1})
FC_MNIST = [784 * 500, 500 * 300, 300 * 10]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["dense", "conv", "attention"])
def test_the_graph_after_each_pass_is_this_text(networks, name, stage):
    """Three small models. Written anew where WAFER_GOLDEN is "write", to be read before it is committed."""
    text = texts(networks.program(name), networks.TRAIN, ADAM)[stage]
    path = GOLDEN / f"{name}.{STAGES.index(stage)}.{stage}.txt"
    if os.environ.get("WAFER_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", ["dense", "unet", "bert", "gpt2", "t5"])
def test_the_graph_of_a_model_is_read_again_from_its_text(networks, name):
    """After every pass, in both kinds of entry."""
    for entry in (networks.TRAIN, networks.EVAL):
        found = {graph.stage: graph for graph in stages(networks.program(name), entry, ADAM)}
        written = texts(networks.program(name), entry, ADAM)
        assert {stage: from_text(text) for stage, text in written.items()} == found


def test_the_work_of_fc_mnist_is_what_its_layers_say(networks):
    """Forward a multiply-accumulate for each weight and sample; backward two, but for the inputs' gradient."""
    work = lower(networks.program("fc_mnist"), networks.TRAIN, ADAM)
    dense = work.kernels[:3]
    assert [k.macs for k in dense] == FC_MNIST
    assert [k.backward_macs for k in dense] == [FC_MNIST[0], 2 * FC_MNIST[1], 2 * FC_MNIST[2]]
    assert [k.name for k in work.kernels] == ["fc.0.matmul", "fc.1.matmul", "fc.2.matmul", "cross_entropy"]
    assert [k.inputs for k in work.kernels] == [(), *((k.name,) for k in dense)]
    assert [k.weight_bytes for k in dense] == [4 * (785 * 500), 4 * (501 * 300), 4 * (301 * 10)]
    assert [k.optimizer_bytes for k in dense] == [2 * k.weight_bytes for k in dense]
    assert (work.mode, work.batch_size, work.precision) == (TRAINING, networks.ROWS, "float32")
    assert work.input_bytes == 784 * 4 + 8
    assert dense[0].bytes_in == 784 * 4
    assert dense[0].bytes_out == dense[1].bytes_in == 500 * 4
    assert [k.source.partition(":")[0] for k in dense] == ["networks_torch.py"] * 3


def test_an_evaluation_has_no_backward_pass_and_no_update(networks):
    """And keeps nothing for one."""
    work = lower(networks.program("fc_mnist"), networks.EVAL)
    assert work.mode == INFERENCE
    assert [k.macs for k in work.kernels[:3]] == FC_MNIST
    for k in work.kernels:
        assert (k.backward_macs, k.backward_other, k.update, k.optimizer_bytes, k.kept_bytes) == (0, 0, 0, 0, 0)


def test_mixed_precision_is_the_precision_of_the_products(networks, twins):
    """float16 from PyTorch's autocast and from Keras' policy; activations travel in it, weights do not."""
    half = lower(networks.program("dense", True), networks.TRAIN, ADAM)
    whole = lower(networks.program("dense"), networks.TRAIN, ADAM)
    assert (half.precision, lower(twins.program("half"), twins.TRAIN).precision) == ("float16", "float16")
    assert half.kernels[0].bytes_out * 2 == whole.kernels[0].bytes_out
    assert [k.weight_bytes for k in half.kernels] == [k.weight_bytes for k in whole.kernels]


@pytest.mark.parametrize("name", ["dense", "fc_mnist", "conv"])
def test_a_tensorflow_model_matches_the_kernels_of_its_torch_twin(networks, twins, name):
    """Kernel for kernel: kind, multiply-accumulates, weights, optimizer, what is fed."""
    for mine, theirs in ((networks.TRAIN, twins.TRAIN), (networks.EVAL, twins.EVAL)):
        one, other = (lower(m.program(name), e, ADAM) for m, e in ((networks, mine), (twins, theirs)))
        assert [(k.kind, k.macs, k.backward_macs, k.weight_bytes, k.bytes_out) for k in one.kernels] == [
            (k.kind, k.macs, k.backward_macs, k.weight_bytes, k.bytes_out) for k in other.kernels
        ]
        counted = 16 * (
            one.mode == TRAINING
        )  # TensorFlow keeps the step, and beta1 and beta2 to its power, as variables
        states = [sum(k.optimizer_bytes for k in work.kernels) for work in (one, other)]
        assert states[0] + counted == states[1]


def test_a_bert_matches_the_same_kinds_in_both_frameworks(networks, twins):
    """Attention, norms, embeddings and the tied head are found in either form; the torch twin has a head more."""
    blocks = []
    for module in (networks, twins):
        work = lower(module.program("bert"), module.TRAIN, ADAM)
        kinds = Counter(k.kind for k in work.kernels)
        assert kinds["attention"] == 2
        assert kinds["layer_norm"] == 5
        whole = next(k for k in work.kernels if k.kind == "attention")
        blocks.append((whole.macs, whole.backward_macs, len(whole.inputs)))
        assert all(k.backward_macs == 2 * k.macs for k in work.kernels)
    assert blocks[0] == blocks[1]


def test_tied_weights_are_held_once(networks):
    """By the embedding, which is first; the head that shares them has its own products."""
    kernels = {k.name: k for k in lower(networks.program("gpt2"), networks.TRAIN, ADAM).kernels}
    table = networks.WORDS * 8 * 4
    assert kernels["words.embedding"].weight_bytes == table
    assert kernels["words.matmul"].weight_bytes == 0
    assert kernels["words.matmul"].macs == networks.LENGTH * 8 * networks.WORDS
    assert kernels["words.embedding"].optimizer_bytes == 2 * table


def test_kernels_carry_the_names_of_the_users_layers(networks):
    """Those of their weights, and where they have none, of what lies around them."""
    names = [k.name for k in lower(networks.program("bert"), networks.TRAIN, ADAM).kernels]
    assert names[5:13] == [
        "layers.0.key.matmul",
        "layers.0.value.matmul",
        "layers.0.attention",
        "layers.0.output.matmul",
        "layers.0.norm1.layer_norm",
        "layers.0.wide.matmul",
        "layers.0.narrow.matmul",
        "layers.0.norm2.layer_norm",
    ]
    assert names[-1] == "cross_entropy#2"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("regression", ["matmul", "mse_loss"]),
        (
            "unet",
            [
                *("conv", "group_norm", "max_pool", "conv", "group_norm", "conv_transpose", "conv", "conv"),
                "binary_cross_entropy",
            ],
        ),
    ],
)
def test_norms_losses_and_convolutions_are_known_by_their_parts(networks, name, kinds):
    """Also where a framework writes them out."""
    assert [k.kind for k in lower(networks.program(name), networks.TRAIN, ADAM).kernels] == kinds


def test_a_t5_has_an_attention_for_each_way_of_reading(networks):
    """Of words, with the bias for how far they are apart, and of what was encoded; both sides read it."""
    kernels = {k.name: k for k in lower(networks.program("t5"), networks.TRAIN, ADAM).kernels}
    kinds = Counter(k.kind for k in kernels.values())
    assert kinds == {"embedding": 4, "rms_norm": 7, "matmul": 19, "attention": 3, "cross_entropy": 1}
    assert "decoder.distances.embedding" in kernels["decoder.attention"].inputs
    assert [kernels[f"decoder.other.0.{part}.matmul"].inputs for part in ("key", "value")] == [
        ("encoder.norm.rms_norm",),
        ("encoder.norm.rms_norm",),
    ]


def test_a_unet_costs_what_its_windows_say(networks, twins):
    """Transposed convolutions too, and the same in both frameworks."""
    wanted = [8 * 8 * 4 * 27, 4 * 4 * 8 * 36, 4 * 4 * 8 * 16, 8 * 8 * 4 * 72, 8 * 8 * 4]
    for module in (networks, twins):
        convolutions = [
            k for k in lower(module.program("unet"), module.TRAIN, ADAM).kernels if k.kind.startswith("conv")
        ]
        assert [k.macs for k in convolutions] == wanted
        assert [k.backward_macs for k in convolutions] == [wanted[0], *(2 * n for n in wanted[1:])]


@pytest.mark.parametrize("name", ["gpt2", "t5", "attention"])
def test_a_product_costs_twice_as_much_backward(networks, name):
    """Once for each of its two operands, wherever it is."""
    program = networks.program(name)
    kernels = lower(program, networks.TRAIN, ADAM).kernels
    assert {(k.name, k.backward_macs) for k in kernels} == {
        (k.name, 2 * k.macs) for k in kernels if k.inputs or not k.macs
    } | {(k.name, k.macs) for k in kernels if k.macs and not k.inputs}


def test_nothing_is_lost_on_the_way(networks):
    """All that was matched is in the work: the passes behind move costs and never drop one that is not a constant's."""
    for name in ("conv", "unet", "bert", "gpt2", "t5"):
        found = {graph.stage: graph for graph in stages(networks.program(name), networks.TRAIN, ADAM)}
        macs = {stage: sum(c.cost.macs for c in found[stage].calls) for stage in ("match", "bare", "fuse", "cut")}
        assert len(set(macs.values())) == 1
        other = [sum(c.cost.other for c in found[stage].calls) for stage in ("bare", "fuse", "cut")]
        assert len(set(other)) == 1
        work = lower(networks.program(name), networks.TRAIN, ADAM)
        assert sum(k.macs + k.backward_macs for k in work.kernels) * networks.ROWS == macs["cut"]


def test_a_norm_of_all_gradients_is_nobodys(twins):
    """Clipping by the global norm mixes all weights: it is a call of its own, before those of the layers."""
    *_, graph = stages(twins.program("clipped"), twins.TRAIN)
    updates = [call.layer for call in graph.calls if call.phase == "update"]
    assert updates == ["optimizer", "dense.matmul", "dense_1.matmul"]
    plain, clipped = (sum(k.update for k in lower(twins.program(n), twins.TRAIN).kernels) for n in ("dense", "clipped"))
    assert clipped > plain


@pytest.mark.parametrize("kind", HYPER_PARAMETERS)
def test_every_optimizer_costs_and_keeps_something(networks, kind):
    """Of each type; plain SGD alone keeps nothing."""
    spec = OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": 0.1})
    kernels = lower(networks.program("dense"), networks.TRAIN, spec).kernels
    assert all(k.update >= k.weight_bytes / 4 for k in kernels)
    assert (sum(k.optimizer_bytes for k in kernels) > 0) == (kind != "sgd")


@pytest.mark.parametrize(
    ("section", "states"),
    [
        ({"optimizer_type": "sgd", "momentum": 0.9}, 1),
        ({"optimizer_type": "adam", "amsgrad": True}, 3),
        ({"optimizer_type": "rmsprop", "momentum": 0.9, "centered": True}, 3),
    ],
)
def test_hyper_parameters_add_what_an_optimizer_keeps(networks, section, states):
    """So many tensors like the weight."""
    spec = OptimizerSpec.from_params({"learning_rate": 0.1, **section})
    kernels = lower(networks.program("dense"), networks.TRAIN, spec).kernels
    assert [k.optimizer_bytes for k in kernels] == [states * k.weight_bytes for k in kernels]


def test_clipping_and_decay_cost_more(networks):
    """Each of them for every weight."""
    plain = {"optimizer_type": "adamw", "learning_rate": 0.1}
    specs = [
        OptimizerSpec.from_params({**plain, **m}) for m in ({}, {"weight_decay_rate": 0.1}, {"max_gradient_norm": 1.0})
    ]
    costs = [sum(k.update for k in lower(networks.program("dense"), networks.TRAIN, s).kernels) for s in specs]
    assert costs[0] < costs[1] == costs[2]


def test_twenty_four_layers_lower_in_seconds(networks):
    """As many blocks as a BERT-Large has; how long they are costs nothing here."""
    program = networks.beside(networks.program("bert"), 12)
    began = time.process_time()
    work = lower(program, networks.TRAIN, ADAM)
    assert time.process_time() - began < 20
    assert Counter(k.kind for k in work.kernels)["attention"] == 24


def test_an_entry_that_there_is_not_is_named(networks):
    """With those that there are."""
    with pytest.raises(NotFound, match=r"no graph gradients@7.*gradients@4"):
        lower(networks.program("dense"), Entry(GRADIENTS, 7), ADAM)


def test_an_operation_without_a_kernel_is_refused(networks):
    """Before any pass, with the line it is on."""
    program = networks.program("dense")
    graph = program.graphs[networks.TRAIN]
    spin = (Node("aten.spin.default", (Ref(0),), {}, (9999,), "model.py:3"), *graph.nodes)
    changed = Program(program.parameters, program.inputs, {networks.TRAIN: replace(graph, nodes=spin)})
    with pytest.raises(Refused, match=r"aten.spin.default at model.py:3"):
        lower(changed, networks.TRAIN, ADAM)


def test_a_batch_that_does_not_fit_its_graph_is_refused(networks):
    """A graph is for its batch size: claimed to be for another one, its views have no shape."""
    program = networks.program("bert")
    claimed = Entry(GRADIENTS, 5)
    changed = Program(program.parameters, program.inputs, {claimed: program.graphs[networks.TRAIN]})
    with pytest.raises(Refused, match=r"cannot be known.*model.py:\d+"):
        lower(changed, claimed, ADAM)


def test_a_program_that_is_not_whole_is_refused(networks):
    """One whose loss is a value that nothing makes."""
    program = networks.program("dense")
    graph = replace(program.graphs[networks.EVAL], outputs={"loss": Ref(9999)})
    with pytest.raises(Refused, match=r"no whole program.*'loss' is '%9999'"):
        lower(Program(program.parameters, program.inputs, {networks.EVAL: graph}), networks.EVAL)


def test_tokens_and_rows_are_the_parts_of_a_sample(networks):
    """A feed-forward layer works token by token, an image row by row; attention and a loss wait for all of a sample."""
    gpt2 = {k.kind: k.parts for k in lower(networks.program("gpt2"), networks.TRAIN, ADAM).kernels}
    assert (gpt2["layer_norm"], gpt2["attention"], gpt2["cross_entropy"]) == (networks.LENGTH, 1, 1)
    unet = [k.parts for k in lower(networks.program("unet"), networks.TRAIN, ADAM).kernels if k.kind == "conv"]
    assert max(unet) > 1
    assert {k.parts for k in lower(networks.program("fc_mnist"), networks.TRAIN, ADAM).kernels} == {1}
