"""Signal of each tissue over time: arterial input, extended Tofts uptake, spoiled gradient echo, spin echo.

All formulas are dcmri's: `aif_parker` (Parker et al. 2006, doi 10.1002/mrm.21066), `conc_tissue` with the kinetics
"HF" (extended Tofts) and `signal_ss` (spoiled gradient echo in its steady state, which a 3-D scan of a minute is in).
T2* decay is left out: at an echo time of 1.4 ms it is a constant for each tissue, and lies in the gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dcmri
import numpy as np
from numpy.typing import NDArray

from phantom.spec import PhantomSpec, Protocol
from phantom.tissues import Properties, Tissue

HAEMATOCRIT = 0.42
TRANSIT_S = 15.0  # from the arm to the heart
TIME_STEP_S = 0.5
# Sets the scale of the signal, so that a tumour reads about 131 before contrast as it does in our real study.
GAIN = 4400.0

Curves = dict[Tissue, NDArray[np.float32]]


def concentrations(
    times_s: Sequence[float], injection_s: float, tissues: Mapping[Tissue, Properties]
) -> dict[Tissue, NDArray[np.float64]]:
    """Contrast agent in each tissue at the given times, in mol per litre of tissue, [T]."""
    end = max(*times_s, 1.0) + TIME_STEP_S
    time = np.arange(0, end + TIME_STEP_S, TIME_STEP_S)
    # Parker's Gaussians have tails that reach back before the bolus; without an injection it never arrives.
    since_arrival = time - (injection_s + TRANSIT_S)
    arterial = np.where(since_arrival >= 0, dcmri.aif_parker(np.maximum(since_arrival, 0)), 0)
    sampled = {}
    for tissue, properties in tissues.items():
        if tissue is Tissue.BLOOD:
            curve = arterial
        elif properties.kinetics is None:
            curve = np.zeros_like(time)
        else:
            kinetics = properties.kinetics
            curve = dcmri.conc_tissue(
                arterial,
                t=time,
                kinetics="HF",
                H=HAEMATOCRIT,
                vb=kinetics.vp / (1 - HAEMATOCRIT),
                vi=kinetics.ve,
                PS=kinetics.ktrans_per_min / 60,
            )
        sampled[tissue] = np.interp(times_s, time, curve)
    return sampled


def dynamic_curves(spec: PhantomSpec, tissues: Mapping[Tissue, Properties]) -> Curves:
    """Noise-free signal of each tissue in each phase under a uniform coil, [P]."""
    middles = [start + spec.acquisition_s / 2 for start in spec.phase_times_s]
    return gradient_echo_curves(spec.protocol, tissues, concentrations(middles, spec.injection_time_s, tissues))


def gradient_echo_curves(
    protocol: Protocol, tissues: Mapping[Tissue, Properties], agent: Mapping[Tissue, NDArray[np.float64]]
) -> Curves:
    """Signal of each tissue in the spoiled gradient echo, [T]; `agent` is its contrast agent in mol/l, [T]."""
    relaxivity = _relaxivity(protocol)
    curves = {}
    for tissue, concentration in agent.items():
        properties = tissues[tissue]
        rate = 1 / _t1_s(properties, protocol) + relaxivity * concentration
        magnitude = GAIN * properties.proton_density * properties.suppressed
        curves[tissue] = dcmri.signal_ss(
            magnitude, rate, protocol.repetition_time_ms / 1000, protocol.flip_angle_deg
        ).astype(np.float32)
    return curves


def spin_echo_curves(
    protocol: Protocol,
    tissues: Mapping[Tissue, Properties],
    agent: Mapping[Tissue, NDArray[np.float64]],
    *,
    repetition_time_ms: float,
    echo_time_ms: float,
) -> Curves:
    """Signal of each tissue in a spin echo without fat suppression, [1]; `agent` is its contrast agent in mol/l, [1].

    The textbook equation M0 (1 - exp(-TR/T1)) exp(-TE/T2).
    """
    curves = {}
    for tissue, properties in tissues.items():
        rate = 1 / _t1_s(properties, protocol) + _relaxivity(protocol) * agent[tissue]
        decay = np.exp(-echo_time_ms / 1000 / properties.t2_s)
        signal = properties.proton_density * (1 - np.exp(-repetition_time_ms / 1000 * rate)) * decay
        curves[tissue] = (0.2 * GAIN * signal).astype(np.float32)
    return curves


def _t1_s(properties: Properties, protocol: Protocol) -> float:
    return properties.t1_s[0 if protocol.field_strength_t == 1.5 else 1]


def _relaxivity(protocol: Protocol) -> float:
    """Longitudinal relaxivity of the agent in plasma, l/mol/s."""
    return float(dcmri.relaxivity(protocol.field_strength_t, "plasma", protocol.agent))
