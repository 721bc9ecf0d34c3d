"""The curves come out of the pharmacokinetic parameters, not out of labels."""

from __future__ import annotations

import numpy as np
import pytest

from phantom import PhantomSpec, Protocol
from phantom.physics import concentrations, dynamic_curves
from phantom.tissues import LESION_KINETICS, Tissue, properties

# BI-RADS: the late phase against the initial peak within the first two to three minutes.
CHANGES = {"washout": (-0.5, -0.1), "plateau": (-0.1, 0.1), "persistent": (0.1, 1.0)}


@pytest.mark.parametrize("kinetics", CHANGES)
@pytest.mark.parametrize("field_strength_t", [1.5, 3.0])
def test_noise_free_lesion_curve_has_the_form_that_it_is_named_after(kinetics: str, field_strength_t: float) -> None:
    spec = PhantomSpec(seed=1, protocol=Protocol(field_strength_t=field_strength_t))
    curve = dynamic_curves(spec, properties(LESION_KINETICS[kinetics]))[Tissue.LESION]
    low, high = CHANGES[kinetics]
    assert low < curve[-1] / curve[1:3].max() - 1 < high
    assert curve[1] > 1.5 * curve[0]


def test_higher_kep_washes_out_more() -> None:
    ends = []
    for kinetics in ("persistent", "plateau", "washout"):
        tissues = properties(LESION_KINETICS[kinetics])
        early, late = concentrations([200.0, 500.0], 100.0, tissues)[Tissue.LESION]
        ends.append(late / early)
    assert ends == sorted(ends, reverse=True)


def test_nothing_enhances_before_the_injection_or_without_one() -> None:
    tissues = properties(LESION_KINETICS["washout"])
    for injection_s in (300.0, float("inf")):
        agent = concentrations([0.0, 100.0, 299.0], injection_s, tissues)
        assert all(np.all(curve == 0) for curve in agent.values())


def test_blood_enhances_most_and_fat_not_at_all() -> None:
    curves = dynamic_curves(PhantomSpec(seed=1), properties(LESION_KINETICS["washout"]))
    rise = {tissue: curve[1] / curve[0] for tissue, curve in curves.items()}
    assert rise[Tissue.BLOOD] == max(rise.values())
    assert rise[Tissue.FAT] == pytest.approx(1)
    assert 1 < rise[Tissue.SKIN] < rise[Tissue.LESION]


def test_lesion_reads_as_the_tumour_of_the_real_study() -> None:
    """131 -> 386 -> 356 -> 334 -> 319 over the five phases of our real study."""
    curve = dynamic_curves(PhantomSpec(seed=1), properties(LESION_KINETICS["washout"]))[Tissue.LESION]
    assert curve == pytest.approx([131, 386, 356, 334, 319], rel=0.15)
