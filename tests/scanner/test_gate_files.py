"""Gates from strangers: what is no set of trees is refused before a kernel walks it."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from premir.kernels.gate_features import FOLD_FEATURES, STEM_FEATURES
from premir.scanner.errors import ModelError
from premir.scanner.files import sha256
from premir.scanner.score import gating
from premir.scanner.score.card import GatesCard
from premir.scanner.score.gating import GATES, MOST_LEVELS, load_gates
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

LEAF = [-1, 0, 0, 0, 7]
TREE = [[0, 5, 1, 2, 0], [-1, 0, 0, 0, 3], [STEM_FEATURES - 1, -3, 3, 4, 0], LEAF, LEAF]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gates")


def load(folder, arrays, **kind):
    """Load gates from a file of these arrays; what is not given is a single leaf."""
    sound = {"nodes": np.array([LEAF], np.int32), "roots": np.zeros(1, np.int32)}
    sound["cut"] = np.zeros(1, np.int64)
    whole = {f"{name}.{key}": array for name in ("stem", "fold") for key, array in sound.items()}
    whole.update(arrays)
    save_file({k: v for k, v in whole.items() if v is not None}, folder / GATES)
    found = load_bytes(folder, **kind)
    assert found is not None
    return found


def load_bytes(folder, *, alone=None):
    spec = load_model(DEFAULT_MODEL)
    card: GatesCard = {**spec.card["gates"], "sha256": sha256(folder / GATES)}
    del card["alone"]
    if alone is not None:
        card["alone"] = {**alone, "judged": {}}
    return load_gates(replace(spec, directory=folder, card={**spec.card, "gates": card}))


def stem(nodes, roots=(0,)):
    return {
        "stem.nodes": np.array(nodes, np.int32).reshape(-1, 5),
        "stem.roots": np.array(roots, np.int32),
    }


def test_sound_trees_vote_as_the_naive_ones(folder):
    found = load(folder, {**stem([*TREE, LEAF], (0, 5)), "stem.cut": np.array([-4], np.int64)})
    features = np.random.default_rng(0).integers(-9, 9, (60, STEM_FEATURES)).astype(np.int32)
    expected = [naive.votes(row, [*TREE, LEAF], (0, 5)) for row in features.tolist()]
    assert found.stem.votes(features).tolist() == expected
    assert len(set(expected)) == 2
    assert (found.stem.cut, found.fold.cut) == (-4, 0)
    assert load(folder, stem([], ())).stem.votes(features).tolist() == [0] * 60


def chain(levels):
    """A tree of so many levels, with a leaf at each."""
    nodes = []
    for n in range(levels - 1):
        nodes += [[0, 0, 2 * n + 1, 2 * n + 2, 0], LEAF]
    return [*nodes, LEAF]


@pytest.mark.parametrize(
    "arrays, message",
    [
        (stem([[0, 0, 0, 0, 0]]), "stem: a node is reached twice"),
        (stem([[0, 0, 1, 2, 0], [0, 0, 0, 2, 0], LEAF]), "stem: a node is reached twice"),
        (stem([[0, 0, 1, 1, 0], LEAF]), "stem: a node is reached twice"),
        (stem(TREE, (0, 0)), "stem: a node is reached twice"),
        (stem(TREE, (0, 2)), "stem: a node is reached twice"),
        (stem(TREE, (5,)), "stem: leads to a node that is none of 5"),
        (stem(TREE, (-1,)), "stem: leads to a node that is none of 5"),
        (stem([], (0,)), "stem: leads to a node that is none of 0"),
        (stem([[0, 0, 1, 2, 0], LEAF]), "stem: leads to a node that is none of 2"),
        (stem([[0, 0, 1, -1, 0], LEAF]), "stem: leads to a node that is none of 2"),
        (stem([[0, 0, 1, 2**31 - 1, 0], LEAF]), "stem: leads to a node that is none of 2"),
        (stem([[STEM_FEATURES, 0, 1, 2, 0], LEAF, LEAF]), "a feature that is none of 34"),
        (stem([LEAF, [2**31 - 1, 0, 1, 2, 0]]), "a feature that is none of 34"),
        (stem([[-2, 0, 0, 0, 1]]), "a feature that is none of 34"),
        (stem(chain(MOST_LEVELS + 1)), "stem: a tree is deeper than 64 levels"),
        ({"stem.nodes": np.zeros((1, 5), np.int64)}, r"stem\.nodes is I64 \[1, 5\]; see docs"),
        ({"stem.nodes": np.zeros((1, 4), np.int32)}, r"stem\.nodes is I32 \[1, 4\]; see docs"),
        ({"stem.nodes": np.zeros(5, np.int32)}, r"stem\.nodes is I32 \[5\]; see docs"),
        ({"fold.roots": np.zeros((1, 1), np.int32)}, r"fold\.roots is I32 \[1, 1\]; see docs"),
        ({"fold.roots": np.zeros(1, np.float32)}, r"fold\.roots is F32 \[1\]; see docs"),
        ({"fold.cut": np.zeros(0, np.int64)}, r"fold\.cut is I64 \[0\]; see docs"),
        ({"fold.cut": np.zeros(1, np.complex64)}, r"fold\.cut is C64 \[1\]; see docs"),
        ({"fold.cut": None}, r"damaged: fold\.cut is missing"),
    ],
)
def test_what_is_no_tree_is_refused(folder, arrays, message):
    with pytest.raises(ModelError, match=message):
        load(folder, arrays)


def test_what_nothing_lifts_may_need_more_votes(folder):
    arrays = {**stem(TREE), "stem.cut": np.array([3], np.int64)}
    found = load(folder, arrays, alone={"stem": 7, "fold": -5})
    features = np.zeros((2, STEM_FEATURES), np.int32)
    features[1, 0] = 6  # three votes for the first, seven for the second
    assert found.stem.passes(features, alone=False).tolist() == [True, True]
    assert found.stem.passes(features, alone=True).tolist() == [False, True]
    assert found.fold.alone == found.fold.cut == 0  # never less strict
    strict = found.stricter(None)
    assert (found.strict, strict.strict) == (False, True)
    assert found.key == found.digest != strict.key
    one = load(folder, arrays)
    assert one.stem.alone == one.stem.cut == 3
    assert one.stricter(None) == one


def test_the_deepest_tree_and_the_last_features_are_sound(folder):
    found = load(folder, stem(chain(MOST_LEVELS)))
    assert found.stem.votes(np.ones((3, STEM_FEATURES), np.int32)).tolist() == [7] * 3
    last = np.array([[FOLD_FEATURES - 1, 0, 1, 2, 0], LEAF, LEAF], np.int32)
    found = load(folder, {"fold.nodes": last})
    assert found.fold.votes(np.ones((3, FOLD_FEATURES), np.int32)).tolist() == [7] * 3


def test_a_file_that_promises_more_than_it_holds_is_refused(folder):
    table = '{"stem.nodes":{"dtype":"I32","shape":[1000000000,5],"data_offsets":[0,20000000000]}}'
    (folder / GATES).write_bytes(len(table).to_bytes(8, "little") + table.encode())
    with pytest.raises(ModelError, match="damaged: "):
        load_bytes(folder)
    with (folder / GATES).open("ab") as handle:
        handle.truncate(8 + len(table) + 20_000_000_000)  # of which the disk holds nothing
    spec = load_model(DEFAULT_MODEL)
    with pytest.raises(ModelError, match="too large for gates"):
        load_gates(replace(spec, directory=folder))
    (folder / GATES).unlink()


@st.composite
def forests(draw):
    """Sound trees, of which a few entries are then changed to something near or far."""
    nodes: list[list[int]] = []
    roots: list[int] = []

    def grow(depth):
        at = len(nodes)
        nodes.append(LEAF)
        if depth and draw(st.booleans()):
            feature, threshold = draw(st.integers(0, STEM_FEATURES - 1)), draw(st.integers(-5, 5))
            nodes[at] = [feature, threshold, grow(depth - 1), grow(depth - 1), 0]
        else:
            nodes[at] = [-1, 0, 0, 0, draw(st.integers(-1000, 1000))]
        return at

    for _ in range(draw(st.integers(1, 4))):
        roots.append(grow(4))
    entry = st.one_of(st.integers(-2, len(nodes)), st.integers(-(2**31), 2**31 - 1))
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.integers(0, len(nodes) - 1))
        nodes[row] = [*nodes[row]]
        nodes[row][draw(st.integers(0, 3))] = draw(entry)
    if draw(st.booleans()):
        roots.append(draw(entry))
    return nodes, roots


@given(forest=forests(), seed=st.integers(0, 1000))
@settings(max_examples=300, deadline=None)
def test_any_nodes_are_refused_or_vote_as_the_naive_ones(folder, forest, seed):
    nodes, roots = forest
    if not naive.are_trees(nodes, roots, STEM_FEATURES):
        with pytest.raises(ModelError):
            load(folder, stem(nodes, roots))
        return
    gate = load(folder, stem(nodes, roots)).stem
    features = np.random.default_rng(seed).integers(-9, 9, (9, STEM_FEATURES)).astype(np.int32)
    expected = [naive.votes(row, nodes, roots) for row in features.tolist()]
    assert gate.votes(features).tolist() == expected


def test_shipped_gates_are_sound():
    found = load_gates(load_model(DEFAULT_MODEL))
    assert found is not None
    for gate, features in ((found.stem, STEM_FEATURES), (found.fold, FOLD_FEATURES)):
        assert gating.tree_fault(gate.nodes, gate.roots, features) is None
        assert naive.are_trees(gate.nodes.tolist(), gate.roots.tolist(), features)
