"""`python -m benchmarks.motion`: how well motion between phases is measured, and what it and its correction do.

Phantoms of which one phase is moved, in a direction drawn from the seed, against the same phantoms lying still: the
displacement that is measured, the outline and the probability, without and with correction. docs/motion.md has the
figures.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

import app  # noqa: F401  switches telemetry off before ONNX Runtime loads
from benchmarks.lesion_size import volume_of
from pcr.clinical import ClinicalRecord, encode
from pcr.crop import extract, normalised_combs
from pcr.kinetic_localizer import LocalizerSettings, find_lesion
from pcr.lesion import Lesion
from pcr.model import PcrModel, load_model
from pcr.motion import Motion
from pcr.motion_correction import correct_motion
from pcr.motion_measurement import measure_motion
from pcr.reasons import NotEvaluable
from pcr.volume import DceVolume
from phantom import GridSpec, LesionSpec, Phantom, PhantomSpec, simulate
from phantom.voxels import displacement

ROOT = Path(__file__).resolve().parent.parent
# As the tests of the application have it: few slices and phases, at a spacing that the model accepts.
GRID = GridSpec(slices=26, slice_spacing_mm=4.0)
TIMES_S = (0.0, 129.0, 219.0, 549.0)
SHIFTS_MM = (0.0, 1.0, 2.0, 4.0, 8.0)
TURN_DEG = 2.0
MOVED_PHASES = {"pre": 0, "late": 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program says of a volume; None in place of a lesion and its probability where none is found."""

    lesion: Lesion | None
    probability: float | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One phantom with one phase moved: the motion measured, its error, and the answers."""

    motion: Motion
    error_mm: float
    seconds: float
    still: Answer
    left: Answer
    corrected: Answer
    moved: int


def answer(volume: DceVolume, model: PcrModel) -> Answer:
    """Lesion and probability, as the application would have them, without a clinical record."""
    try:
        lesion = find_lesion(volume, LocalizerSettings())
    except NotEvaluable:
        return Answer(None, None)
    manifest = model.manifest
    images = normalised_combs(extract(volume, lesion, manifest.crop), manifest.normalisation)
    predicted = model.predict(images, encode(ClinicalRecord(), manifest.clinical), lesion.box)
    return Answer(lesion, predicted.probability)


def motions(seed: int) -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    """Name, shift (LPS mm) and turn (degrees) of each motion of a patient."""
    rng = np.random.default_rng(seed)
    direction, axis = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    for shift in SHIFTS_MM:
        yield f"{shift:g} mm", tuple((shift * direction).tolist()), (0.0, 0.0, 0.0)
    yield f"{TURN_DEG:g} degrees", (0.0, 0.0, 0.0), tuple((TURN_DEG * axis).tolist())


def trials(seed: int, model: PcrModel) -> Iterator[tuple[str, Trial]]:
    """Each motion of each phase of one patient."""
    spec = PhantomSpec(seed=seed, grid=GRID, lesion=LesionSpec(), phase_times_s=TIMES_S)
    still = simulate(spec)
    answered = answer(volume_of(still), model)
    for name, shift, turn in motions(seed):
        spec = replace(spec, motion_mm=(shift,) * len(TIMES_S), rotation_deg=(turn,) * len(TIMES_S))
        everything_moved = simulate(spec)
        for role, phase in MOVED_PHASES.items():
            voxels = still.voxels.copy()
            voxels[phase] = everything_moved.voxels[phase]
            yield (
                f"{role}, {name}",
                trial(replace(still, voxels=voxels), displacement(spec, phase), phase, answered, model),
            )


def trial(phantom: Phantom, truth: npt.NDArray[np.float64], phase: int, still: Answer, model: PcrModel) -> Trial:
    """Measure and correct; the error is the mean distance, over the lesion, to where its points really went."""
    volume = volume_of(phantom)
    started = perf_counter()
    motion = measure_motion(volume)
    seconds = perf_counter() - started
    left = answer(volume, model)
    found = motion.of(phase).transform
    points = volume.geometry.map_indices_to_reference(np.argwhere(phantom.lesion_mask).astype(float))
    apart = (np.eye(4) if found is None else found) - truth
    error = np.linalg.norm(points @ apart[:3, :3].T + apart[:3, 3], axis=1).mean()
    corrected = answer(correct_motion(volume, motion), model)
    return Trial(motion, float(error), seconds, still, left, corrected, phase)


def row(found: Sequence[Trial]) -> list[str]:
    """The figures of one motion over the patients."""
    of_moved = [trial.motion.of(trial.moved) for trial in found]
    of_still = [p.p95_mm or 0.0 for t in found for p in t.motion.phases if p.index != t.moved]
    cells = [
        span([phase.p95_mm or 0.0 for phase in of_moved]),
        span([trial.error_mm for trial in found]),
        span([1000 * (phase.similarity_gain or 0.0) for phase in of_moved], "0f"),
        str(sum(phase.moved for phase in of_moved)),
        f"{max(of_still):.2f}",
        str(sum(p.moved for t in found for p in t.motion.phases if p.index != t.moved)),
    ]
    for kind in ("left", "corrected"):
        pairs = [(trial.still, getattr(trial, kind)) for trial in found]
        cells += changes(pairs)
    return cells


def changes(pairs: Sequence[tuple[Answer, Answer]]) -> list[str]:
    """Lesions lost, and what changed of those that were found in both, against the patient lying still."""
    both = [
        (a.lesion, b.lesion, a.probability, b.probability)
        for a, b in pairs
        if a.lesion is not None and b.lesion is not None and a.probability is not None and b.probability is not None
    ]
    lost = sum(a.lesion is not None and b.lesion is None for a, b in pairs)
    volume = [100 * abs(b.volume_ml / a.volume_ml - 1) for a, b, _, _ in both]
    centroid = [float(np.linalg.norm(np.subtract(a.centroid_lps_mm, b.centroid_lps_mm))) for a, b, _, _ in both]
    dice = [2 * float((a.mask & b.mask).sum()) / float(a.mask.sum() + b.mask.sum()) for a, b, _, _ in both]
    probability = [abs(p - q) for _, _, p, q in both]
    return [str(lost), span(volume, "0f"), span(centroid), f"{np.median(dice):.2f}", span(probability, "3f")]


def span(values: Sequence[float], form: str = "2f") -> str:
    """Median and largest."""
    return f"{np.median(values):.{form}} ({max(values):.{form}})"


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.motion", description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=100)
    options = parser.parse_args()
    model = load_model(ROOT / "models" / "pcr", "cpu")
    by_motion: dict[str, list[Trial]] = defaultdict(list)
    for seed in track(range(options.first_seed, options.first_seed + options.seeds), "phantoms"):
        for name, found in trials(seed, model):
            by_motion[name].append(found)
    measured = ("p95 mm", "error mm", "gain mnat", "moved", "p95 of still phases", "still called moved")
    changed = ("lost", "volume %", "centroid mm", "Dice", "probability")
    console = Console(width=220)
    for title, columns, cells in (
        ("measured: median (largest)", measured, slice(0, 6)),
        ("change against lying still, left as it is", changed, slice(6, 11)),
        ("change against lying still, corrected", changed, slice(11, 16)),
    ):
        table = Table("motion", *columns, title=title)
        for name in sorted(by_motion, key=lambda name: name.split(",")[0], reverse=True):
            table.add_row(name, *row(by_motion[name])[cells])
        console.print(table)
    seconds = [trial.seconds for found in by_motion.values() for trial in found]
    console.print(f"measuring three phases takes {span(seconds)} s")


if __name__ == "__main__":
    main()
