"""What all objects of one result share: whose they are, who made them, and what their UIDs are derived from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from pcr.case import ReportedCase
from pcr.reasons import PcrError
from pcr.report.identity import best_identified, identity_of
from pcr.report.provenance import Provenance, is_own_making
from pcr.report.uids import ResultUids
from pcr.study import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose result it is and who made it.

    Attributes:
        identity: a header of the study that patient, study and character set are taken over from.
    """

    made: Provenance
    uids: ResultUids
    identity: Dataset


def attribute_case(case: ReportedCase, made: Provenance) -> Attribution:
    """Attribution of the result of a case, to the patient and study of the early phase."""
    prediction, lesion, series = case.prediction, case.lesion, case.volume.series
    outcome = (
        repr(case.clinical),
        repr((prediction.probability, prediction.interval, prediction.threshold, prediction.above_threshold)),
        repr((prediction.imaging_probability, prediction.clinical_probability)),
        repr((lesion.source, lesion.laterality, lesion.score, lesion.kinetics)),
        hashlib.sha256(np.packbits(lesion.mask).tobytes()).hexdigest(),
        hashlib.sha256(prediction.attention.tobytes()).hexdigest(),
        *(repr((phase.role, phase.after_injection_s, phase.frames[0].key)) for phase in series.phases),
        *case.warnings,
    )
    return _attribution(case.study, (frame.header for frame in series.phase("early").frames), made, outcome)


def attribute_refusal(study: Study, refusal: PcrError, made: Provenance) -> Attribution:
    """Attribution of the page that says why a study has no result."""
    headers = (instance.header for series in study.series for instance in series.instances)
    return _attribution(study, headers, made, (str(refusal.code), refusal.message))


def _attribution(study: Study, headers: Iterable[Dataset], made: Provenance, outcome: Iterable[str]) -> Attribution:
    identity = best_identified(headers)
    instances = sorted(
        (instance.sop_instance_uid, series.series_instance_uid)
        for series in study.series
        for instance in series.instances
        if not is_own_making(instance.header)
    )
    basis = (
        made.software_version,
        made.model_name,
        made.model_version,
        made.model_sha256,
        made.configuration_sha256,
        made.provider,
        study.study_instance_uid,
        instances,
        identity_of(identity),
        list(outcome),
    )
    digest = hashlib.sha256(json.dumps(basis).encode()).hexdigest()
    return Attribution(made=made, uids=ResultUids(digest), identity=identity)
