"""Checks of the key object selection."""

from __future__ import annotations

from collections.abc import Iterator

import highdicom.ko as ko

from tests.checks.planes import sections
from tests.checks.study import KEY_OBJECTS, OVERLAY, SEGMENTATION, SUMMARY, StudyOnDisk


def the_key_objects_are_the_summary_and_the_largest_section(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    document = ko.KeyObjectSelectionDocument.from_dataset(study.only(KEY_OBJECTS))
    if document.ConceptNameCodeSequence[0].CodeValue != "113009":
        yield f"its title is {document.ConceptNameCodeSequence[0].CodeMeaning}"
    largest = max(sections(study, study.only(SEGMENTATION)), key=lambda section: int(section.mask.sum()))
    on_largest = [
        made
        for made in study.of_series(OVERLAY)
        if made.SourceImageSequence[0].ReferencedSOPInstanceUID == largest.source.SOPInstanceUID
        and made.SourceImageSequence[0].get("ReferencedFrameNumber") == largest.source_frame
    ]
    expected = [made.SOPInstanceUID for made in (study.of_series(SUMMARY)[0], *on_largest)]
    found = [reference.referenced_sop_instance_uid for reference in document.content.get_references()]
    if found != expected:
        yield f"it points to {len(found)} objects that are not the summary and the largest section"
    by_uid = {made.SOPInstanceUID: made for made in study.results}
    for uid in found:
        made = by_uid[uid]
        where = (made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
        if tuple(document.resolve_reference(uid)) != where:
            yield "it resolves a reference to another place"
