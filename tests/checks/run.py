"""All checks, and what they find in a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType

from tests.checks import attention, belonging, by_tools, key_objects, pictures, report, segmentation
from tests.checks.study import StudyOnDisk
from tests.validators import MissingTool

Check = Callable[[StudyOnDisk], Iterator[str]]

_ALL: tuple[Check, ...] = (
    by_tools.dciodvfy_finds_nothing,
    by_tools.dcentvfy_finds_source_and_results_consistent,
    by_tools.dcmtk_reads_the_reports,
    by_tools.dcmqi_reads_the_facts_out_of_the_report,
    by_tools.dcmqi_reads_the_segmentation_at_its_place,
    report.highdicom_finds_each_measurement_by_its_code,
    report.highdicom_finds_the_lesion_with_side_and_segment,
    report.the_diameters_have_their_ends_on_the_lesion,
    report.the_report_says_what_it_is,
    report.the_image_library_holds_each_phase_with_its_time,
    report.the_clinical_inputs_and_warnings_are_there,
    segmentation.each_frame_lies_on_the_image_that_it_refers_to,
    segmentation.highdicom_reads_the_segmentation_at_its_place,
    segmentation.the_mask_measures_what_the_program_says,
    segmentation.the_segment_says_what_it_is,
    attention.the_attention_sums_to_100_percent,
    attention.each_frame_of_the_map_lies_in_the_plane_of_its_image,
    attention.the_attention_lies_where_the_model_looked,
    pictures.each_picture_says_what_it_is,
    pictures.the_pictures_of_a_result_say_which_side,
    pictures.the_series_are_those_of_the_outcome,
    pictures.there_is_one_overlay_for_each_slice_of_the_lesion,
    pictures.each_overlay_lies_in_the_plane_of_its_image,
    pictures.the_edges_of_an_overlay_are_named_as_they_point,
    pictures.each_overlay_shows_its_image,
    pictures.the_outline_is_drawn_around_the_lesion,
    pictures.the_colour_grows_with_the_attention,
    key_objects.the_key_objects_are_the_summary_and_the_largest_section,
    belonging.every_object_is_of_the_patient_and_study,
    belonging.every_series_is_one_of_those_documented,
    belonging.every_object_says_who_made_it,
    belonging.every_reference_leads_to_an_object_of_the_study,
    belonging.the_evidence_is_complete,
    belonging.every_image_that_frames_refer_to_is_listed_with_its_series,
    belonging.no_uid_comes_from_elsewhere,
    belonging.the_index_of_result_json_names_all_files,
)
CHECKS = MappingProxyType({check.__name__: check for check in _ALL})


def findings(study: StudyOnDisk, name: str) -> list[str]:
    """What one check finds; that it can not be carried out is a finding too.

    Raises MissingTool.
    """
    try:
        return list(CHECKS[name](study))
    except MissingTool:
        raise
    except Exception as error:
        return [f"it can not be checked: {type(error).__name__}: {error}"]
