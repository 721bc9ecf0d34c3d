"""One input through the reader, as the application does it, and what came of it."""

from __future__ import annotations

from pathlib import Path

from pcr.clinical import ClinicalRecord
from pcr.clinical_file import no_clinical_file
from pcr.domain import check_acquisition, check_patient, check_statements
from pcr.enhancement import check_enhancement
from pcr.manifest import read_metadata
from pcr.phases import select_dce
from pcr.reasons import BadConfiguration, NotEvaluable
from pcr.study import InboxLimits, Study, read_inbox
from pcr.volume import VolumeLimits, load

MANIFEST = read_metadata(Path(__file__).resolve().parents[2] / "models" / "pcr").manifest
INBOX_LIMITS = InboxLimits(max_files=200, max_header_mib=16)
VOLUME_LIMITS = VolumeLimits(max_voxels=2_000_000, max_memory_mib=64)


def read(folder: Path) -> str:
    """What comes of a folder: "volume", or the reason codes of its studies.

    Raises whatever should not have been raised.
    """
    try:
        inbox = read_inbox(folder, limits=INBOX_LIMITS)
    except (NotEvaluable, BadConfiguration) as refusal:
        return str(refusal.code)
    return "+".join(sorted({_study(study, inbox.studies) for study in inbox.studies}))


def _study(study: Study, studies: tuple[Study, ...]) -> str:
    try:
        study.check_identity()
        check_patient(study, no_clinical_file().record_for(study, studies), MANIFEST.domain)
        check_patient(study, ClinicalRecord(), MANIFEST.domain)
        check_statements(study)
        volumes = [load(series, VOLUME_LIMITS) for series in select_dce(study, MANIFEST.crop)]
    except NotEvaluable as refusal:
        return str(refusal.code)
    for volume in volumes:
        try:
            check_enhancement(volume)
            check_acquisition(volume, MANIFEST.domain, MANIFEST.crop)
        except NotEvaluable:
            continue
    return "volume"
