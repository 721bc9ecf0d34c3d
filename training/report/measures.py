"""The figures of the comparison: of each arm, of differences, within receptor subtypes, and of the attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from training.figures import brier_score, brier_scores, calibration, net_benefits, operating_point
from training.report.arms import ArmResult, Comparison
from training.statistics import Estimate, Flags, Resampling

# A subtype with fewer responders or fewer others than this gets no AUC.
LEAST_OF_A_LABEL = 5
_THIRDS = ("smallest third of boxes", "middle third of boxes", "largest third of boxes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedAucs:
    """AUC of the raw logits of each single seed, pooled over the folds; the spread is that of training alone."""

    aucs: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.aucs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Reference minus other arm on the same resamples of patients.

    Both sensitivities are read off the arm's own ROC curve, at the lowest threshold that keeps the specificity which
    the other arm has at its operating point in the same resample: neither arm gets a threshold that the other may not
    have, and the difference of an arm to itself is 0.
    """

    other: ArmResult
    auc: Estimate
    brier: Estimate
    sensitivity: Estimate
    specificity_held: Estimate
    reference_sensitivity: Estimate
    other_sensitivity: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtypeAuc:
    """AUC within a receptor subtype, or the reason why there is none."""

    subtype: str
    patients: int
    responders: int
    auc: Estimate | None

    @property
    def reason(self) -> str:
        """Why there is no figure; empty where there is one."""
        if self.auc is not None:
            return ""
        return f"fewer than {LEAST_OF_A_LABEL} {'with' if self.responders < LEAST_OF_A_LABEL else 'without'} pCR"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionFigures:
    """Share of the attention inside the box, and of an image-blind prior, for patients with boxes of like size."""

    group: str
    patients: int
    box_share: tuple[float, float]
    inside: Estimate
    inside_shifted: Estimate
    prior_inside_shifted: Estimate
    gain_over_prior: Estimate


def measure_arm(arm: ArmResult, resampling: Resampling) -> dict[str, Estimate]:
    """All figures of merit of an arm by name; those that are not defined are left out."""
    label, probability = arm.label, arm.probability
    return {
        "auc": resampling.auc(label, probability),
        "auc_within_folds": _auc_within_folds(arm, resampling),
        **operating_point(label, arm.above, arm.column("age"), resampling),
        "brier": brier_score(label, probability, resampling),
        **calibration(label, probability, resampling),
        **net_benefits(label, probability, resampling),
    }


def _auc_within_folds(arm: ArmResult, resampling: Resampling) -> Estimate:
    """Mean over the folds of the AUC of the mean raw logit within each, which no calibration line comes into."""
    raw, fold = np.mean(arm.seed_logits, axis=0), arm.table["fold"].to_numpy(dtype=str)
    folds = [fold == name for name in np.unique(fold)]
    each = [resampling.within(mine).aucs(arm.label[mine], raw[mine]) for mine in folds]
    return Estimate.of(np.nanmean(each, axis=0))


def treat_all(label: Flags, resampling: Resampling) -> dict[str, Estimate]:
    """Net benefit of treating everyone as a responder."""
    return net_benefits(label, np.ones(len(label)), resampling)


def measure_seeds(arm: ArmResult) -> SeedAucs:
    """AUC of each seed."""
    return SeedAucs(aucs=tuple(float(roc_auc_score(arm.label, raw)) for raw in arm.seed_logits))


def measure_difference(reference: ArmResult, other: ArmResult, resampling: Resampling) -> Difference:
    """What the reference has over the other arm, paired."""
    label = reference.label
    ours, theirs = reference.probability, other.probability
    wrong = resampling.totals(~label & other.above)
    our_sensitivity = resampling.sensitivities(label, ours, wrong)
    their_sensitivity = resampling.sensitivities(label, theirs, wrong)
    return Difference(
        other=other,
        auc=Estimate.around(
            float(roc_auc_score(label, ours) - roc_auc_score(label, theirs)),
            resampling.aucs(label, ours) - resampling.aucs(label, theirs),
        ),
        brier=Estimate.of(brier_scores(label, ours, resampling) - brier_scores(label, theirs, resampling)),
        sensitivity=Estimate.of(our_sensitivity - their_sensitivity),
        specificity_held=resampling.mean((~other.above).astype(float), ~label),
        reference_sensitivity=Estimate.of(our_sensitivity),
        other_sensitivity=Estimate.of(their_sensitivity),
    )


def measure_subtypes(arm: ArmResult, resampling: Resampling) -> list[SubtypeAuc]:
    """AUC within each receptor subtype that occurs, in alphabetical order."""
    found = []
    subtypes = arm.table["receptor_subtype"].to_numpy(dtype=str)
    for subtype in np.unique(subtypes):
        among = subtypes == subtype
        label = arm.label[among]
        enough = min(label.sum(), (~label).sum()) >= LEAST_OF_A_LABEL
        found.append(
            SubtypeAuc(
                subtype=str(subtype),
                patients=int(among.sum()),
                responders=int(label.sum()),
                auc=resampling.within(among).auc(label, arm.probability[among]) if enough else None,
            )
        )
    return found


def measure_attention(arm: ArmResult, resampling: Resampling) -> list[AttentionFigures]:
    """Attention of all patients, then of each third of them by the share of the crop that the box covers."""
    share = arm.column("box_share")
    return [
        AttentionFigures(
            group=group,
            patients=int(among.sum()),
            box_share=(float(share[among].min()), float(share[among].max())),
            inside=resampling.mean(arm.column("attention_inside"), among),
            inside_shifted=resampling.mean(arm.column("attention_inside_shifted"), among),
            prior_inside_shifted=resampling.mean(arm.column("prior_inside_shifted"), among),
            gain_over_prior=resampling.mean(
                arm.column("attention_inside_shifted") - arm.column("prior_inside_shifted"), among
            ),
        )
        for group, among in _by_box_share(arm)
    ]


def measure_differences(comparison: Comparison, resampling: Resampling) -> list[Difference]:
    """The reference against each arm that it has to beat."""
    return [measure_difference(comparison.reference, other, resampling) for other in comparison.against]


def _by_box_share(arm: ArmResult) -> Iterator[tuple[str, Flags]]:
    share = arm.column("box_share")
    yield "all", np.ones(len(share), dtype=bool)
    third = np.digitize(share, np.quantile(share, [1 / 3, 2 / 3]))
    for number, name in enumerate(_THIRDS):
        if (third == number).any():
            yield name, third == number
