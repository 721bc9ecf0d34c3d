"""What is wrong with a cohort, collected so that all of it is said at once."""

from __future__ import annotations

from dataclasses import dataclass, field

_NAMED_PATIENTS = 5


class CohortError(Exception):
    """The cohort folder contradicts itself or lacks something; the message lists every finding."""


@dataclass(slots=True)
class Findings:
    """Errors, with which the cohort is not used, and warnings about what was left out of it, by patient.

    A warning is for what can honestly count as unknown; an error is for what would have to be guessed.
    """

    errors: list[str] = field(default_factory=list)
    warned: dict[str, list[str]] = field(default_factory=dict)

    def error(self, patient_id: str, text: str) -> None:
        """Note what forbids the use of the cohort."""
        self.errors.append(f"{patient_id}: {text}")

    def warning(self, patient_id: str, text: str) -> None:
        """Note what was left out; the same text of several patients becomes one warning."""
        self.warned.setdefault(text, []).append(patient_id)

    def raise_errors(self, where: str) -> None:
        """Raise CohortError with every error, if there is any."""
        if self.errors:
            count = f"{len(self.errors)} error{'s' if len(self.errors) > 1 else ''}"
            raise CohortError(f"{count} in {where}:\n  " + "\n  ".join(self.errors))

    def warnings(self) -> tuple[str, ...]:
        """Each warning once, with how many patients it is about and the first of them."""
        return tuple(f"{text}: {_names(patient_ids)}" for text, patient_ids in self.warned.items())


def _names(patient_ids: list[str]) -> str:
    named = ", ".join(patient_ids[:_NAMED_PATIENTS])
    return f"{named} and {len(patient_ids) - _NAMED_PATIENTS} more" if len(patient_ids) > _NAMED_PATIENTS else named
