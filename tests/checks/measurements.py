"""What the report has to say in numbers: each figure of result.json under its code, in its unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Name = tuple[str, str]
Measured = tuple[float, str]

# The report rounds to two digits.
_ROUNDING = 0.0051


def expected_measurements(facts: Mapping[str, Any]) -> dict[Name, Measured]:
    """Value and UCUM unit by (coding scheme, code); volumes in millilitres, which are cubic centimetres."""
    prediction, lesion = facts["prediction"], facts["lesion"]
    kinetics = lesion["kinetics"]
    expected: dict[Name, Measured] = {
        ("99BPCR", "PCR_PROB"): (100 * prediction["probability"], "%"),
        ("99BPCR", "PCR_PROB_LOW"): (100 * prediction["interval"][0], "%"),
        ("99BPCR", "PCR_PROB_HIGH"): (100 * prediction["interval"][1], "%"),
        ("99BPCR", "PCR_THRESHOLD"): (100 * prediction["threshold"], "%"),
        ("99BPCR", "PCR_PROB_IMAGE"): (100 * prediction["imaging_probability"], "%"),
        ("99BPCR", "PCR_PROB_CLIN"): (100 * prediction["clinical_probability"], "%"),
        ("99BPCR", "ATTN_INSIDE"): (100 * facts["attention"]["inside_lesion_fraction"], "%"),
        ("SCT", "118565006"): (lesion["volume_ml"], "cm3"),
        ("SCT", "103339001"): (lesion["longest_diameter_mm"], "mm"),
        ("99BPCR", "SECTION_LONG"): (lesion["section_diameter_mm"], "mm"),
        ("99BPCR", "EARLY_ENH"): (kinetics["early_enhancement_percent"], "%"),
        ("99BPCR", "LATE_CHANGE"): (kinetics["late_change_percent"], "%"),
    }
    if kinetics["signal_enhancement_ratio"] is not None:
        expected["99BPCR", "SER"] = (kinetics["signal_enhancement_ratio"], "{ratio}")
    if facts["model"]["base_rate"] is not None:
        expected["99BPCR", "PCR_BASE_RATE"] = (100 * facts["model"]["base_rate"], "%")
    if "age" in facts["clinical"]["used"]:
        expected["DCM", "121033"] = (facts["clinical"]["used"]["age"], "a")
    return expected


def mismatches(found: Mapping[Name, Measured], expected: Mapping[Name, Measured]) -> Iterator[str]:
    """Where what was read is not what the program said."""
    yield from (f"{name[1]} is not expected" for name in found if name not in expected)
    for name, (value, unit) in expected.items():
        if name not in found:
            yield f"{name[1]} is not there"
        elif found[name][1] != unit:
            yield f"{name[1]} is in {found[name][1]}, not in {unit}"
        elif not abs(found[name][0] - value) < _ROUNDING:
            yield f"{name[1]} is {found[name][0]}, not {value:.4f} {unit}"
