"""What the figures say, in plain words: each answer is chosen by an interval, so none can outlive its figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.arms import OURS
from training.card.words import DATASETS
from training.statistics import Estimate

# By the key of the arm that ours is compared with.
_COMPARED = {
    "1": "In the comparison (arm 7): does it do better than the clinical variables alone?",
    "1+size": "In the comparison: does it do better than clinical variables and lesion size, without any network?",
    "3": "In the comparison: do the steps and the guidance do better than one stage without them?",
    "5": "In the comparison: do the steps do better than one stage with the same guidance?",
}
_CHANCE = 0.5


def questions(metrics: Mapping[str, Any], external: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Questions that a reader has, with their answers.

    `metrics` is what `crossval` wrote, `external` the figures of external data sets by name.
    """
    asked = [("What does it do at its threshold?", at_threshold(metrics["figures"], "I-SPY 2, out of fold"))]
    if not external:
        asked.append(("Does it hold elsewhere?", "Not known: no external data was scored for this version."))
    asked += [
        (f"Does it hold on {DATASETS.get(name, name)}?", elsewhere(found["figures"]))
        for name, found in external.items()
    ]
    compared, sites = metrics["comparison"], metrics["sites"]
    for key, question in _COMPARED.items():
        found = compared["differences"].get(f"{OURS} - {key}")
        if found is not None:
            answer = versus(_auc(compared, OURS), _auc(compared, key), Estimate(*found["auc"]))
            asked.append((question, f"{answer} {sensitivity_gained(Estimate(*found['sensitivity']))}"))
    at_sites = f"AUC {plain(_auc(sites, OURS))}; {beyond_chance(_auc(sites, OURS))}"
    asked.append(("Does it do better than chance at sites that it never saw?", at_sites))
    asked.append(
        (
            "Can the probabilities of the comparison be taken at their word?",
            calibrated(compared["arms"][OURS]["figures"]),
        )
    )
    attention = compared["arms"][OURS]["attention"]
    found = f"{attention_found(attention['all'])} {attention_by_size(attention)}"
    asked.append(("Does its attention find the lesion, or just the middle?", found))
    return asked


def by_interval(gain: Estimate, *, above: str, below: str, neither: str) -> str:
    """The words for a gain whose interval lies above 0, below 0, or holds it."""
    if gain.low > 0:
        return above
    if gain.high < 0:
        return below
    return neither


def versus(ours: Estimate, theirs: Estimate, gain: Estimate) -> str:
    """Two AUCs on the same patients, and what their paired difference says."""
    verdict = by_interval(
        gain,
        above="On these patients it does.",
        below="It does worse.",
        neither="The interval holds 0, so this is no proof that it does.",
    )
    return f"AUC {ours.value:.3f} against {theirs.value:.3f}, a difference of {signed(gain)}. {verdict}"


def at_threshold(figures: Mapping[str, Any], where: str) -> str:
    """Sensitivity and specificity as patients out of a hundred."""
    found, wrongly = 100 * figures["sensitivity"][0], 100 * (1 - figures["specificity"][0])
    return (
        f"It expects a complete response of {found:.0f} in 100 patients who had one, and of {wrongly:.0f} in 100 who "
        f"had none ({where})."
    )


def elsewhere(figures: Mapping[str, Any]) -> str:
    """How the model does on an external data set, with images or by its clinical part alone."""
    if "auc_probability" not in figures:
        rows = figures.get("auc_clinical_probability_rows")
        if rows is None:
            return "Not known: its labels are all alike."
        estimate = Estimate(*rows)
        return f"No images; its clinical part alone has AUC {plain(estimate)}; {beyond_chance(estimate)}"
    joint, clinical = Estimate(*figures["auc_probability"]), Estimate(*figures["auc_clinical_probability"])
    gain = Estimate(*figures["auc_gain_over_clinical"])
    verdict = by_interval(
        gain,
        above="the image adds to them",
        below="with the image it does worse than they do",
        neither="the interval holds 0, so there is no proof that the image adds to them or takes from them",
    )
    return (
        f"AUC {plain(joint)}; {beyond_chance(joint)} The clinical variables alone have {plain(clinical)} there, a "
        f"difference of {signed(gain)}: {verdict}. {at_threshold(figures, 'at the frozen threshold')} "
        f"{calibrated(figures)}"
    )


def beyond_chance(auc: Estimate) -> str:
    """Whether an AUC is anything but that of a coin."""
    return by_interval(
        _less(auc, _CHANCE),
        above="better than chance.",
        below="worse than chance.",
        neither="the interval holds 0.5, so this is no proof of more than chance.",
    )


def calibrated(figures: Mapping[str, Any]) -> str:
    """What the calibration slope and the calibration in the large say."""
    if "calibration_slope" not in figures:
        return "Not known: no slope can be fitted to probabilities that are constant or without an error."
    slope, large = Estimate(*figures["calibration_slope"]), Estimate(*figures["calibration_in_the_large"])
    spread = by_interval(
        _less(slope, 1),
        above="they do not spread far enough",
        below="they spread too far",
        neither="no proof that they spread too far or too little",
    )
    level = by_interval(
        large,
        above="they are too low on the whole",
        below="they are too high on the whole",
        neither="no proof that they are too high or too low on the whole",
    )
    return f"Calibration slope {plain(slope)}: {spread}. Calibration in the large {signed(large)}: {level}."


def attention_found(figures: Mapping[str, Any]) -> str:
    """How much attention lies in displaced boxes, beside the best guess that knows no image."""
    inside, prior = Estimate(*figures["inside_shifted"]), Estimate(*figures["prior_inside_shifted"])
    gain = Estimate(*figures["gain_over_prior"])
    verdict = by_interval(
        gain,
        above="The attention finds it better than the guess.",
        below="The guess finds it better than the attention.",
        neither="The interval holds 0, so this is no proof that the attention finds it better than the guess.",
    )
    return (
        f"With the window displaced, {inside.value:.2f} of the attention lies in the box, and {prior.value:.2f} of the "
        f"best guess that never sees the image: a difference of {signed(gain)}. {verdict}"
    )


def attention_by_size(attention: Mapping[str, Any]) -> str:
    """In which thirds of the boxes, by their share of the window, the attention beats the guess."""
    said = [
        f"{group} {gain.value:+.3f}, {by_interval(gain, above='better', below='worse', neither='no difference shown')}"
        for group, gain in ((group, Estimate(*found["gain_over_prior"])) for group, found in attention.items())
        if group != "all"
    ]
    return f"By size: {'; '.join(said)}."


def sensitivity_gained(gain: Estimate) -> str:
    """What it finds more of at the specificity of the other."""
    verdict = by_interval(gain, above="more", below="less", neither="no difference shown")
    return f"Sensitivity at the other's specificity: {signed(gain)}, {verdict}."


def plain(estimate: Estimate) -> str:
    """`0.690 (0.607 to 0.763)`."""
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def signed(estimate: Estimate) -> str:
    """`+0.040 (-0.012 to +0.081)`."""
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _less(estimate: Estimate, offset: float) -> Estimate:
    return Estimate(estimate.value - offset, estimate.low - offset, estimate.high - offset)


def _auc(compared: Mapping[str, Any], key: str) -> Estimate:
    return Estimate(*compared["arms"][key]["figures"]["auc"])
