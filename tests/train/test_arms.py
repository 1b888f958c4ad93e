"""Learning where matures begin."""

from __future__ import annotations

from dataclasses import replace

import builders
import numpy as np
from data_sets import data_dir

from premir.kernels.codes import encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack, terminal_loop
from premir.scanner.report.evidence.arms import cuts
from premir.train.arms import Example, judge_cuts, learn_cuts, proven_arms, read_examples


def examples(count, seed):
    """Hairpins whose matures begin 24 letters before the loop, and 2 behind it."""
    rng = np.random.default_rng(seed)
    while count:
        stem = builders.hairpin(rng, stem=int(rng.integers(32, 40)))
        codes, offsets = pack([encode(stem.replace("T", "U"))])
        pairs, _ = fold_batch(codes, offsets, current_parameters())
        loop = terminal_loop(pairs)
        if loop is None or loop[0] < 24 or loop[1] + 24 > codes.size:
            continue
        count -= 1
        ends = loop[0] - 24, loop[1] + 2
        yield Example(f"x{count}", f"f{count % 7}", count % 2 == 0, codes, pairs, ends)


def test_what_is_learned_tells_matures_of_other_hairpins():
    learned = learn_cuts(list(examples(60, seed=1)))
    others = list(examples(40, seed=2))
    judged = judge_cuts(learned, others)
    for arm in ("5p", "3p"):
        assert judged[arm]["matures"] == 40
        assert judged[arm]["within_2"] > 0.9
        assert judged[arm]["exact"] > 0.7
    # Shifted truths are as far off as they are.
    shifted = [replace(each, ends=(each.ends[0] + 5, None)) for each in others]
    assert judge_cuts(learned, shifted)["5p"]["within_2"] < 0.1
    assert judge_cuts(learned, shifted).keys() == {"5p"}


def test_the_same_is_learned_again():
    one, two = (learn_cuts(list(examples(10, seed=3))) for _ in range(2))
    for a, b in zip((*one.sites, *one.both), (*two.sites, *two.both), strict=True):
        assert a.dtype == np.int64
        assert (a == b).all()


def test_one_arm_may_be_all_that_is_known():
    some = [replace(each, ends=(each.ends[0], None)) for each in examples(40, seed=4)]
    judged = judge_cuts(learn_cuts(some), list(examples(20, seed=5)))
    assert judged["5p"]["within_2"] > 0.9


def test_what_is_shipped_was_learned_from_known_hairpins():
    data = data_dir("mirbase").parent
    arms = proven_arms(data)
    assert arms["hsa-let-7a-1"] == [(5, 27), (56, 77)]
    held_out = [each for each in read_examples(data, 9) if each.held_out][::20]
    names = {each.name.partition("-")[0] for each in held_out}
    assert not names & {"cel", "dpu", "ebv"}
    judged = judge_cuts(cuts.shipped(), held_out)
    assert judged["5p"]["within_2"] > 0.85
    assert judged["3p"]["within_2"] > 0.85
