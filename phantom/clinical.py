"""The clinical record of a simulated patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

from phantom.randomness import stream

MenopausalStatus = Literal["pre", "peri", "post"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalRecord:
    """What a breast centre knows of the patient; None is not known."""

    age: int | None
    menopausal_status: MenopausalStatus | None
    hr: bool | None
    her2: bool | None

    @classmethod
    def draw(cls, seed: int) -> Self:
        """A complete record with the shares of I-SPY 2: mean age 49, HR positive in 55 %, HER2 positive in 25 %."""
        rng = stream(seed, "clinical record")
        age = int(min(max(rng.normal(49, 10.5), 25), 79))
        status = get_args(MenopausalStatus)[0 if age < 47 else 2 if age > 54 else rng.integers(3)]
        return cls(age=age, menopausal_status=status, hr=bool(rng.random() < 0.55), her2=bool(rng.random() < 0.25))
