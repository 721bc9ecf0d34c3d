"""Makes the study of the self-test: a simulated one, small and in JPEG-LS, and the facts of its result."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from app.self_test import EXPECTED, STUDY, run_stored_study
from app.self_test.facts import facts
from app.settings import Settings
from phantom import GridSpec, LesionSpec, PhantomSpec, simulate, write_study

LAYOUT = "duke-siemens-jpegls"
# Coarse voxels and little noise, which take little room when they are compressed, within what the model is for.
SPEC = PhantomSpec(
    seed=11,
    grid=GridSpec(slices=18, rows=150, columns=190, pixel_spacing_mm=(1.6, 1.6), slice_spacing_mm=4.5),
    lesion=LesionSpec(side="left", diameter_mm=22, kinetics="washout"),
    phase_times_s=(0.0, 129.0, 219.0, 549.0),
    noise_sd=1.5,
)
# The first moment that a ZIP file can hold: the same study gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_self_test_study() -> None:
    """Write study.zip and expected.json into app/self_test/, with the model in models/."""
    with TemporaryDirectory() as folder:
        study = write_study(simulate(SPEC), LAYOUT, Path(folder, "phantom"), distractors=False).folder
        with ZipFile(STUDY, "w", ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(path for path in study.rglob("*") if path.is_file()):
                archive.writestr(ZipInfo(str(path.relative_to(study)), _EPOCH), path.read_bytes(), ZIP_DEFLATED)
    result = run_stored_study(None, Settings())
    EXPECTED.write_text(facts(result).model_dump_json(indent=2) + "\n", "utf-8")
