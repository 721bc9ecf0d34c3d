"""The tissues: relaxation, residual signal under fat suppression, and pharmacokinetic parameters.

Relaxation times: fat and fibroglandular tissue from Rakow-Penner et al. 2006 (doi 10.1002/jmri.20469); blood, heart,
liver, skin and marrow as in `dcmri.T1` and muscle from the same source, Stanisz et al. 2005 (doi 10.1002/mrm.20605);
T2 of breast cancer from Liu et al. 2018 (doi 10.1177/0300060517721071). T1 of the lesion is our choice, a little
below that of fibroglandular tissue, which gives the brightness before contrast of the tumour in our real study.

Kinetics: extended Tofts parameters in the notation of Tofts et al. 1999
(doi 10.1002/(SICI)1522-2586(199909)10:3<223::AID-JMRI2>3.0.CO;2-S). The values are ours, within what is commonly
reported: breast cancers Ktrans 0.1 to 1 /min, ve 0.2 to 0.6, vp up to 0.1; fibroglandular tissue an order of magnitude
slower. The form of a lesion's curve is not drawn: it follows from kep = Ktrans / ve against the rate at which plasma
is cleared (0.17 /min in Parker's input function). kep well above it washes out, kep below it still rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tissue(StrEnum):
    """What a voxel may hold; air is the absence of all of them."""

    FAT = "fat"
    SKIN = "skin"
    GLAND = "gland"
    GLAND_ENHANCING = "gland-enhancing"
    MUSCLE = "muscle"
    BONE = "bone"
    LUNG = "lung"
    BLOOD = "blood"
    HEART = "heart"
    LIVER = "liver"
    LESION = "lesion"
    LESION_CORE = "lesion-core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinetics:
    """Extended Tofts parameters: transfer constant, extravascular extracellular and plasma volume fractions."""

    ktrans_per_min: float
    ve: float
    vp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """Magnetic properties of a tissue.

    Attributes:
        t1_s: T1 at 1.5 T and at 3 T.
        t2_s: T2; it hardly depends on the field.
        proton_density: Relative to water.
        suppressed: The share of the signal that fat suppression leaves.
        kinetics: None where contrast does not go; blood itself follows the arterial input.
    """

    t1_s: tuple[float, float]
    t2_s: float
    proton_density: float
    suppressed: float = 1.0
    kinetics: Kinetics | None = None


# kep 1.1, 0.4 and 0.10 /min.
LESION_KINETICS = {
    "washout": Kinetics(ktrans_per_min=0.46, ve=0.43, vp=0.04),
    "plateau": Kinetics(ktrans_per_min=0.22, ve=0.52, vp=0.05),
    "persistent": Kinetics(ktrans_per_min=0.08, ve=0.80, vp=0.02),
}

BODY = {
    Tissue.FAT: Properties(t1_s=(0.296, 0.367), t2_s=0.053, proton_density=0.9, suppressed=0.14),
    Tissue.SKIN: Properties(
        t1_s=(0.343, 0.377),
        t2_s=0.070,
        proton_density=0.38,
        kinetics=Kinetics(ktrans_per_min=0.06, ve=0.25, vp=0.01),
    ),
    Tissue.GLAND: Properties(
        t1_s=(1.266, 1.445),
        t2_s=0.058,
        proton_density=0.85,
        kinetics=Kinetics(ktrans_per_min=0.012, ve=0.20, vp=0.004),
    ),
    Tissue.GLAND_ENHANCING: Properties(
        t1_s=(1.266, 1.445),
        t2_s=0.058,
        proton_density=0.9,
        kinetics=Kinetics(ktrans_per_min=0.045, ve=0.35, vp=0.01),
    ),
    Tissue.MUSCLE: Properties(
        t1_s=(1.008, 1.412),
        t2_s=0.044,
        proton_density=0.75,
        kinetics=Kinetics(ktrans_per_min=0.05, ve=0.12, vp=0.01),
    ),
    Tissue.BONE: Properties(t1_s=(0.552, 0.587), t2_s=0.049, proton_density=0.35, suppressed=0.4),
    Tissue.LUNG: Properties(
        t1_s=(1.2, 1.4),
        t2_s=0.040,
        proton_density=0.12,
        kinetics=Kinetics(ktrans_per_min=0.0, ve=0.2, vp=0.05),
    ),
    Tissue.BLOOD: Properties(t1_s=(1.441, 1.629), t2_s=0.200, proton_density=0.85),
    Tissue.HEART: Properties(
        t1_s=(1.03, 1.471),
        t2_s=0.045,
        proton_density=0.75,
        kinetics=Kinetics(ktrans_per_min=0.40, ve=0.25, vp=0.06),
    ),
    Tissue.LIVER: Properties(
        t1_s=(0.602, 0.752),
        t2_s=0.046,
        proton_density=0.7,
        kinetics=Kinetics(ktrans_per_min=0.30, ve=0.22, vp=0.06),
    ),
}


def properties(kinetics: Kinetics) -> dict[Tissue, Properties]:
    """All tissues, with a lesion of these kinetics; its core has less of everything, as where supply is poor."""
    lesion = Properties(t1_s=(1.0, 1.3), t2_s=0.083, proton_density=0.9, kinetics=kinetics)
    core = Kinetics(ktrans_per_min=0.6 * kinetics.ktrans_per_min, ve=0.7 * kinetics.ve, vp=0.3 * kinetics.vp)
    return BODY | {
        Tissue.LESION: lesion,
        Tissue.LESION_CORE: Properties(t1_s=(1.1, 1.4), t2_s=0.083, proton_density=0.9, kinetics=core),
    }
