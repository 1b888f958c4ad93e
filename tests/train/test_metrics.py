from __future__ import annotations

import numpy as np
import pytest

from premir.train.metrics import evaluate


def test_measures_of_a_case_done_by_hand():
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    probabilities = np.array([0.9, 0.8, 0.5, 0.2, 0.7, 0.4, 0.3, 0.1, 0.05, 0.01])
    measures = evaluate(labels, probabilities)
    # 3 of 4 positives and 1 of 6 negatives are called; 0.5 itself counts as a call.
    assert measures.se == pytest.approx(3 / 4)
    assert measures.sp == pytest.approx(5 / 6)
    assert measures.ppv == pytest.approx(3 / 4)
    assert measures.f == pytest.approx(3 / 4)
    assert measures.g_mean == pytest.approx((3 / 4 * 5 / 6) ** 0.5)
    # Pairs in the right order: 6 + 6 + 5 + 3 of 24.
    assert measures.auroc == pytest.approx(20 / 24)
    # Precision at each positive: 1/1, 2/2, 3/4, 4/7.
    assert measures.aupr == pytest.approx((1 + 1 + 3 / 4 + 4 / 7) / 4)
    assert str(measures).startswith("SE 0.750  SP 0.833  PPV 0.750  F 0.750  g-mean 0.791")


def test_no_call_at_all_gives_zeros_without_a_warning(recwarn):
    measures = evaluate(np.array([1, 0, 0]), np.array([0.4, 0.1, 0.2]))
    assert (measures.se, measures.ppv, measures.f, measures.g_mean) == (0, 0, 0, 0)
    assert measures.auroc == measures.aupr == measures.sp == 1
    assert not recwarn
