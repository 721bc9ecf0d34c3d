"""`python -m benchmarks.lesion_size --cohort DIR --run RUN`: how wrongly the application measures a lesion, and what
that does to the answers of a finished run.

A model that reads a size learned it from the experts' regions, but is told what the localiser measures. How far that
is from the truth is measured on simulated studies; errors of that kind are then given to the out-of-fold patients of
the run. The phantom is kinder than patients are, so wider errors, assumed and not measured, stand beside them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import rankdata

from pcr.crop import WindowSpec, window_around
from pcr.frames import Frame
from pcr.kinetic_localizer import LocalizerSettings, find_lesion
from pcr.lesion_box import lesion_box
from pcr.manifest import LesionName
from pcr.phases import DceSeries, Phase, Role, Selection
from pcr.reasons import NotEvaluable
from pcr.study import Instance
from pcr.volume import DceVolume
from phantom import GridSpec, LesionSpec, Phantom, PhantomError, PhantomSpec, simulate
from phantom.spec import Kinetics, Margin, Side
from training.baselines import clinical_logits, with_size
from training.calibration import fit_line
from training.cohorts import DEVELOPMENT, read_cohort
from training.config import read_config
from training.crossval import SHIPPED_RECIPE, CrossValidation
from training.features import Cache
from training.oof import out_of_fold
from training.recipes import FINAL_STAGE
from training.runfolder import RunFolder, RunFolderError, fingerprint
from training.statistics import youden_threshold
from training.unit import Unit

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Outcome = Literal["found", "elsewhere", "not found"]

# Both breasts and the heart, without the back. A box is as long as whole voxels: coarser ones would add an error.
CHEST = GridSpec(
    slices=50,
    rows=168,
    columns=224,
    pixel_spacing_mm=(1.5, 1.5),
    slice_spacing_mm=2.0,
    centre_lps_mm=(0.0, -20.0, -40.0),
)
STUDIES = 36
DIAMETERS_MM = (10.0, 45.0)
# Beyond the seeds that the localiser was made with (docs/localisation.md).
FIRST_SEED = 400
SIZES: tuple[LesionName, ...] = get_args(LesionName)
DRAWS = 200
# Mean and SD: wider errors than on phantoms; the last two with outlines two fifths smaller than the experts' boxes.
ASSUMED_OCTAVES = ((0.0, 0.25), (0.0, 0.5), (0.0, 1.0), (-0.7, 0.0), (-0.7, 0.4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the localiser made of one simulated lesion.

    Attributes:
        diameter_mm: longest diameter of the lesion's body.
        octaves: log2 of measured over true size, by the name of the size; None unless the lesion was found.
        displacement_mm: in the plane, of the network's window; None unless the lesion was found.
    """

    seed: int
    diameter_mm: float
    side: Side
    margin: Margin
    kinetics: Kinetics
    outcome: Outcome
    octaves: dict[LesionName, float] | None
    displacement_mm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Out-of-fold answers of a model that reads a size of the lesion.

    Attributes:
        size: the size that it reads.
        label: bool [patients], who responded.
        logit: [patients].
        per_octave: [patients], by how much the logit rises when the size doubles; it is linear in log2 of the size.
        displaced: [copies, patients], logits of windows that are displaced by `augmentation.shift_mm` in the plane;
            None for a model that sees no window.
    """

    name: str
    size: LesionName
    label: Flags
    logit: Floats
    per_octave: Floats
    displaced: Floats | None

    def mismeasured(self, octaves: Floats) -> Floats:
        """Logits [draws, patients] where sizes are wrong by `octaves`, of a shape that broadcasts to that."""
        return np.asarray(self.logit + octaves * self.per_octave)

    def figures(self, logit: Floats) -> dict[str, list[float]]:
        """Mean, 2.5th and 97.5th percentile of each figure over draws of the logit [draws, patients].

        `moved` is the share of patients who come to lie on the other side of the threshold. Calibration and threshold
        are those of the answers without error, on the same patients.
        """
        line = fit_line(self.logit, self.label)
        plain, probability = line.probability(self.logit), line.probability(logit)
        threshold = youden_threshold(self.label, plain)
        figures = {
            "auc": aucs(self.label, logit),
            "brier": ((probability - self.label) ** 2).mean(axis=1),
            "moved": ((probability >= threshold) != (plain >= threshold)).mean(axis=1),
        }
        return {
            name: [round(float(value), 4) for value in (drawn.mean(), *np.percentile(drawn, [2.5, 97.5]))]
            for name, drawn in figures.items()
        }


def main() -> None:
    """Measure, print tables, and write the figures where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesion_size", description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished crossval")
    parser.add_argument("--out", type=Path, help="file to write the figures to, JSON")
    options = parser.parse_args()
    run, console = RunFolder(options.run), Console()
    plan, metrics = finished(options.cohort, run)
    measurements = [
        measured(phantom, plan.config.crop)
        for phantom in track(phantoms(), "Simulated studies", total=STUDIES, console=console)
    ]
    figures: dict[str, Any] = {
        "localiser": summary(measurements),
        "out_of_fold": {
            judged.name: consequences(judged, measurements, plan.config.seed) for judged in models(plan, metrics)
        },
        "studies": [rounded(asdict(measurement)) for measurement in measurements],
    }
    console.print(localiser_table(figures["localiser"]))
    for name, effects in figures["out_of_fold"].items():
        console.print(effects_table(name, effects))
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def finished(folder: Path, run: RunFolder) -> tuple[CrossValidation, dict[str, Any]]:
    """A finished cross-validation of the cohort in `folder`, under the settings that it was made with, and its metrics.

    Raises RunFolderError where the run is not finished or is of another cohort.
    """
    metrics = run.read_metrics()
    config = read_config(run.root / "config.yaml")
    cohort = read_cohort(folder, DEVELOPMENT, config.timing.targets)
    if json.loads((run.root / "cohort.json").read_text("utf-8")) != fingerprint(cohort):
        raise RunFolderError(f"{run.root} is of another cohort than {folder}")
    return CrossValidation(cohort, config, run), metrics


def phantoms() -> Iterator[Phantom]:
    """Simulated studies with lesions of rising size, every side, margin and curve equally often."""
    sides, margins, curves = get_args(Side), get_args(Margin), get_args(Kinetics)
    seeds = count(FIRST_SEED)
    for number, diameter_mm in enumerate(np.linspace(*DIAMETERS_MM, STUDIES)):
        lesion = LesionSpec(
            side=sides[number % 2],
            margin=margins[number % 3],
            kinetics=curves[number // 3 % 3],
            diameter_mm=float(diameter_mm),
        )
        yield first_that_fits(lesion, seeds)


def first_that_fits(lesion: LesionSpec, seeds: Iterator[int]) -> Phantom:
    """The first patient who has room for the lesion: a large one does not fit into every quadrant that is drawn."""
    for seed in seeds:
        try:
            return simulate(PhantomSpec(seed=seed, grid=CHEST, lesion=lesion))
        except PhantomError:
            continue
    raise ValueError(f"no patient has room for {lesion}")


def measured(phantom: Phantom, spec: WindowSpec) -> Measurement:
    """Find the lesion as the application does, and compare its box and its window with those of the truth."""
    truth, lesion, geometry = phantom.lesion_mask, phantom.anatomy.lesion, phantom.geometry
    if lesion is None:
        raise ValueError("the phantom has no lesion to measure")
    outcome: Outcome = "not found"
    octaves, displacement_mm = None, None
    with suppress(NotEvaluable):
        found = find_lesion(volume_of(phantom), LocalizerSettings())
        outcome = "found" if (found.mask & truth).any() else "elsewhere"
        if outcome == "found":
            box = lesion_box(truth, geometry.spacing)
            octaves = {size: float(np.log2(found.box.size_mm(size) / box.size_mm(size))) for size in SIZES}
            window, wanted = (window_around(mask, geometry.pixel_spacing, spec) for mask in (found.mask, truth))
            moved = np.subtract(window.first_pixel, wanted.first_pixel) * geometry.pixel_spacing
            displacement_mm = float(np.linalg.norm(moved))
    return Measurement(
        seed=phantom.spec.seed,
        diameter_mm=2 * float(lesion.semi_axes_mm.max()),
        side=lesion.breast.side,
        margin=lesion.margin,
        kinetics=lesion.kinetics,
        outcome=outcome,
        octaves=octaves,
        displacement_mm=displacement_mm,
    )


def volume_of(phantom: Phantom) -> DceVolume:
    """A phantom as it would be loaded from its files; the phase about two minutes after injection is the early one."""
    roles: dict[int, Role] = {0: "pre", 2: "early", len(phantom.phases) - 1: "late"}
    phases = tuple(
        Phase(
            series_instance_uid="",
            description="",
            time_s=phase.time_s,
            after_injection_s=phase.time_s - phantom.spec.injection_time_s,
            role=roles.get(index, "other"),
            frames=(Frame(Instance(Path(), Dataset()), None, Dataset()),),  # type: ignore[arg-type]
        )
        for index, phase in enumerate(phantom.phases)
    )
    series = DceSeries(
        phases=phases,
        pre_gap_s=phases[1].time_s,
        injection_source="estimated",
        time_field="AcquisitionTime",
        selection=Selection("", ()),
    )
    return DceVolume(series=series, pixels=phantom.voxels, geometry=phantom.geometry)


def octaves_of(measurements: Sequence[Measurement], size: LesionName) -> Floats:
    """log2 of measured over true size of the lesions that were found."""
    return np.array([each.octaves[size] for each in measurements if each.octaves is not None])


def summary(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Outcomes, displacements, and for each size the ratio of measured to true."""
    outcomes = Counter(each.outcome for each in measurements)
    displaced = [each.displacement_mm for each in measurements if each.displacement_mm is not None]
    ratios = {}
    for size in SIZES:
        octaves = octaves_of(measurements, size)
        ratios[size] = {"ratio": percentiles(2**octaves), "sd_octaves": float(octaves.std(ddof=1))}
    figures = {
        "outcomes": {outcome: outcomes[outcome] for outcome in get_args(Outcome)},
        "sizes": ratios,
        "displacement_mm": percentiles(np.array(displaced)) | {"most": max(displaced)},
    }
    return dict(rounded(figures))


def percentiles(values: Floats) -> dict[str, float]:
    """Median, 5th and 95th percentile."""
    return dict(zip(("median", "p5", "p95"), np.percentile(values, [50, 5, 95]).tolist(), strict=True))


def models(plan: CrossValidation, metrics: Mapping[str, Any]) -> list[Judged]:
    """Arm 7 as it is shipped, the first attempt where another is shipped, and arm 1+size.

    The first attempt reads a measured size; the one that is shipped may not.
    """
    shipped, kind, first = metrics["choice"]["shipped"], metrics["choice"]["kind"], plan.config.attempts[0].name
    judged = [of_attempt(plan, f"7, {shipped} (shipped)", shipped, plan.judged_units(shipped, kind))]
    if shipped != first:
        judged.append(of_attempt(plan, f"7, {first}", first, plan.attempt_units(first)))
    return [*judged, clinical_and_size(plan)]


def of_attempt(plan: CrossValidation, name: str, attempt: str, units: Sequence[Unit]) -> Judged:
    """An attempt; what it does with a size follows from its answers to boxes that are measured wrongly."""
    table, config = out_of_fold(units, FINAL_STAGE), plan.config.attempt(attempt)
    apart = 2 * np.log2(1 + config.augmentation.extent)
    return Judged(
        name=name,
        size=config.lesion[0].name,
        label=table["pcr"].to_numpy(bool),
        logit=table["joint_logit"].to_numpy(float),
        per_octave=(table["joint_logit_larger"] - table["joint_logit_smaller"]).to_numpy(float) / apart,
        displaced=table.filter(regex="^joint_logit_shift_").to_numpy(float).T,
    )


def clinical_and_size(plan: CrossValidation) -> Judged:
    """Arm 1+size; the regression of each fold is made anew."""
    variable = plan.config.lesion[0]
    label = plan.rows.label.numpy() > 0.5
    cache = Cache.read(plan.unit(plan.config.attempts[0].name, SHIPPED_RECIPE, plan.splits[0]).cache)
    size = cache.lesion([variable])[:, 0].numpy().astype(np.float64)
    logit, doubled = np.empty(len(label)), np.empty(len(label))
    for split in (plan.members(fold)[0] for fold in plan.folds):
        clinical = clinical_logits(plan.rows, split, plan.config.clinical)
        wrong = size.copy()
        wrong[split.held_out] += 1 / variable.scale
        logit[split.held_out] = with_size(clinical, size, label, split)[split.held_out]
        doubled[split.held_out] = with_size(clinical, wrong, label, split)[split.held_out]
    return Judged(
        name="1+size",
        size=variable.name,
        label=label,
        logit=logit,
        per_octave=doubled - logit,
        displaced=None,
    )


def consequences(judged: Judged, measurements: Sequence[Measurement], seed: int) -> dict[str, Any]:
    """Figures without error, with the localiser's median error, with its errors drawn, with assumed ones, and with the
    window displaced: the other way in which a localiser errs."""
    octaves = octaves_of(measurements, judged.size)
    shape = (DRAWS, len(judged.label))
    errors = {
        "none": np.zeros((1, 1)),
        "median": np.full((1, 1), np.median(octaves)),
        "drawn": np.random.default_rng(seed).choice(octaves, size=shape),
    }
    for mean, sd in ASSUMED_OCTAVES:
        errors[f"assumed {mean:g} +- {sd:g} octaves"] = np.random.default_rng(seed).normal(mean, sd, size=shape)
    figures = {name: judged.figures(judged.mismeasured(error)) for name, error in errors.items()}
    if judged.displaced is not None:
        figures["window displaced"] = judged.figures(judged.displaced)
    return figures


def aucs(label: Flags, score: Floats) -> Floats:
    """Area under the ROC curve of every row of scores [draws, patients], ties half."""
    positives, negatives = label.sum(), (~label).sum()
    ranks = rankdata(score, axis=1)[:, label].sum(axis=1)
    return np.asarray((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def rounded(plain: Any) -> Any:
    """Plain values with their floats to four decimals."""
    if isinstance(plain, dict):
        return {name: rounded(value) for name, value in plain.items()}
    return round(plain, 4) if isinstance(plain, float) else plain


def localiser_table(figures: Mapping[str, Any]) -> Table:
    """How the localiser's box and window compare with the truth."""
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in figures["outcomes"].items())
    table = Table("", "median", "5 %", "95 %", "SD (octaves)", title=f"Simulated studies: {outcomes}")
    for size, measured_size in figures["sizes"].items():
        ratio, sd = measured_size["ratio"], measured_size["sd_octaves"]
        table.add_row(f"{size}, measured / true", *(f"{value:.3f}" for value in (*ratio.values(), sd)))
    moved = figures["displacement_mm"]
    table.add_row("window displaced (mm)", *(f"{moved[name]:.1f}" for name in ("median", "p5", "p95")), "")
    return table


def effects_table(name: str, effects: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """Figures of one model under each kind of error."""
    table = Table("error of the size", *effects["none"], title=f"Arm {name}")
    for error, figures in effects.items():
        table.add_row(error, *(described(*figure) for figure in figures.values()))
    return table


def described(mean: float, low: float, high: float) -> str:
    """A mean over draws with its range; one draw has none."""
    return f"{mean:.3f}" if low == high else f"{mean:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
