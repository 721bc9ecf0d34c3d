"""What is compared: the cross-fitted predictions of an arm, and which of the arms is compared with which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np
import pandas as pd

from training.statistics import Flags, Floats

_COLUMNS = ("patient_id", "site", "age", "receptor_subtype", "pcr", "fold", "probability", "above", "logit_0")
_ATTENTION = ("attention_inside", "attention_inside_shifted", "prior_inside_shifted", "box_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """Predictions of one arm for every patient, none by a network that saw the patient.

    Attributes:
        key: short name, for instance "7", or "7-size" for an ablation.
        name: what the arm is, in words.
        table: one row a patient, sorted by patient_id: patient_id, site, age (years, NaN if unknown),
            receptor_subtype ("HR+/HER2-"), pcr (0 or 1), fold, probability (calibrated), above (at or above the
            threshold), logit_0 and so on (raw, one a seed), and for arms with attention attention_inside,
            attention_inside_shifted (mean over displaced copies), prior_inside_shifted (best image-blind prior on
            the same copies) and box_share (share of the crop that the box covers), all 0 to 1.

    Raises:
        ValueError: a column is missing or holds what it can not hold.
    """

    key: str
    name: str
    table: pd.DataFrame

    def __post_init__(self) -> None:
        missing = [column for column in _COLUMNS if column not in self.table]
        if missing:
            raise ValueError(f"arm {self.key} has no column {', '.join(missing)}")
        ids = self.table["patient_id"]
        if not (ids.is_unique and ids.is_monotonic_increasing):
            raise ValueError(f"arm {self.key}: rows must be sorted by patient_id, one a patient")
        if set(self.table["pcr"]) != {0, 1}:
            raise ValueError(f"arm {self.key}: pcr must hold 0 and 1, both, not {sorted(set(self.table['pcr']))}")
        if not self.table["probability"].between(0, 1).all():
            raise ValueError(f"arm {self.key}: a probability is missing or not within 0 to 1")
        attention = [column for column in _ATTENTION if column in self.table]
        if attention and (len(attention) < len(_ATTENTION) or self.table[attention].isna().to_numpy().any()):
            raise ValueError(f"arm {self.key}: attention needs {', '.join(_ATTENTION)} for every patient")

    @property
    def label(self) -> Flags:
        """True for responders."""
        return self.table["pcr"].to_numpy(dtype=bool)

    @property
    def probability(self) -> Floats:
        """Calibrated probability of response."""
        return self.column("probability")

    @property
    def above(self) -> Flags:
        """Whether response is predicted."""
        return self.table["above"].to_numpy(dtype=bool)

    @property
    def seed_logits(self) -> list[Floats]:
        """Raw logits, one array a seed."""
        names = takewhile(lambda name: name in self.table, (f"logit_{seed}" for seed in count()))
        return [self.column(name) for name in names]

    @property
    def has_attention(self) -> bool:
        """Whether the arm attends to anything."""
        return _ATTENTION[0] in self.table

    def column(self, name: str) -> Floats:
        """A column as float64."""
        return self.table[name].to_numpy(dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The arms in their order, the one that is ours, and those that it has to beat.

    Raises:
        ValueError: an arm is named that is not there, or arms are not of the same patients.
    """

    arms: Sequence[ArmResult]
    reference: ArmResult
    against: Sequence[ArmResult]

    @classmethod
    def of(cls, arms: Sequence[ArmResult], reference: str, against: Sequence[str]) -> Comparison:
        """Look up the arms of the keys `reference` and `against`."""
        by_key = {arm.key: arm for arm in arms}
        if len(by_key) < len(arms):
            raise ValueError(f"two arms share a key: {[arm.key for arm in arms]}")
        unknown = [key for key in (reference, *against) if key not in by_key]
        if unknown:
            raise ValueError(f"no arm {', '.join(unknown)} among {', '.join(by_key)}")
        return cls(arms=arms, reference=by_key[reference], against=[by_key[key] for key in against])

    def __post_init__(self) -> None:
        for column in ("patient_id", "pcr", "receptor_subtype"):
            expected = self.reference.table[column].tolist()
            different = [arm.key for arm in self.arms if arm.table[column].tolist() != expected]
            if different:
                raise ValueError(f"{column} of arms {', '.join(different)} is not that of arm {self.reference.key}")

    @property
    def label(self) -> Flags:
        """True for responders, the same in every arm."""
        return self.reference.label
