"""What all objects of one result share: whose they are, who made them, and what their UIDs are derived from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pcr.case import ReportedCase
from pcr.report.identity import best_identified
from pcr.report.provenance import Provenance, is_own_making
from pcr.report.uids import ResultUids
from pcr.study import Instance, Study


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
    headers = (frame.header for frame in case.volume.series.phase("early").frames)
    return _attribution(case.study, headers, made, repr(case.clinical))


def attribute_refusal(study: Study, made: Provenance) -> Attribution:
    """Attribution of the page that says why a study has no result.

    Raises ValueError for a study without any object but our own.
    """
    return _attribution(study, (instance.header for instance in _instances(study)), made, "refused")


def _attribution(study: Study, headers: Iterable[Dataset], made: Provenance, job: str) -> Attribution:
    identity = best_identified(headers)
    basis = (
        made.software_version,
        made.model_name,
        made.model_version,
        made.model_sha256,
        made.configuration_sha256,
        made.provider,
        study.study_instance_uid,
        sorted(instance.sop_instance_uid for instance in _instances(study)),
        job,
    )
    digest = hashlib.sha256(json.dumps(basis).encode()).hexdigest()
    return Attribution(made=made, uids=ResultUids(digest), identity=identity)


def _instances(study: Study) -> Iterable[Instance]:
    """Those of the study itself: what we made of it earlier may have an identity that was corrected since."""
    return (i for series in study.series for i in series.instances if not is_own_making(i.header))
