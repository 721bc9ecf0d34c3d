"""Layouts of I-SPY 1 and NACT: sagittal slices, mostly of one breast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset

from pcr.reasons import ReasonCode
from phantom import derivations, distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.layouts import ge, siemens, views
from phantom.layouts.base import Layout, before_and_after, one_series, series_per_phase
from phantom.voxels import Phantom

# I-SPY 1 has a first phase after contrast `_POS`, a second `_CA`; what came after those kept the last name.
_ACRIN_ENDINGS = ("", "_POS", "_CA")


def _sequence(study: StudyContext, **more: Any) -> dict[str, Any]:
    return gradient_echo(study.phantom.spec.protocol) | {"ImageLaterality": study.phantom.side[0].upper()} | more


def _content_time(study: StudyContext, description: str) -> Iterator[Dataset]:
    series = Series(number=4, description=description, start_s=0.0, sequence=_sequence(study))
    same = {"AcquisitionTime": study.time(0.0)}
    return ge.marked(one_series(study, series, attributes=lambda phase, _: same | study.agent(phase)), "3dfgre")


def _dynamic_3dfgre(study: StudyContext) -> Iterator[Dataset]:
    return _content_time(study, "Dynamic-3dfgre")


def _six_dynamics(study: StudyContext) -> Iterator[Dataset]:
    series = Series(number=4, description="#6657 BreasFS3DSAG 6DYN", start_s=0.0, sequence=_sequence(study))
    return one_series(study, series, attributes=lambda phase, _: study.agent(phase) | {"AcquisitionNumber": phase + 1})


def _two_acquisitions(
    study: StudyContext, number: int, description: str, view: Phantom, side: str
) -> Iterator[Dataset]:
    """Acquisition 0 before contrast and 2 after it, which holds several images of each position."""
    before, _ = before_and_after(study)
    series = Series(
        number=number, description=description, start_s=0.0, sequence=_sequence(study, ImageLaterality=side)
    )

    def attributes(phase: int, _: int) -> Mapping[str, Any]:
        return {"AcquisitionNumber": 0 if phase in before else 2} | study.agent(phase)

    return ge.marked(one_series(study, series, attributes=attributes, view=view), "3dfgre")


def _pair(study: StudyContext) -> Iterator[Dataset]:
    sides = [study.phantom.side, "left" if study.phantom.side == "right" else "right"]
    for number, (side, view) in enumerate(zip(sides, study.views, strict=True), start=4):
        yield from _two_acquisitions(study, number, f"{side.upper()} - Dynamic-3dfgre", view, side[0].upper())


def _ir_spgr(study: StudyContext) -> Iterator[Dataset]:
    return _two_acquisitions(study, 4, "IR-SPGR-SAG", study.phantom, study.phantom.side[0].upper())


def _acrin(study: StudyContext) -> Iterator[Dataset]:
    sequence = siemens.sequence(study) | {"ImageLaterality": study.phantom.side[0].upper()}
    return series_per_phase(study, sequence, lambda after: f"ACRIN_6657/FL3D_T1_SAG{_ACRIN_ENDINGS[min(after, 2)]}")


def _pre_and_post(
    names: Callable[[StudyContext], tuple[str, str]], **more: Any
) -> Callable[[StudyContext], Iterator[Dataset]]:
    """One series before contrast, and one after it in which AcquisitionNumber tells the phases apart."""

    def dynamic(study: StudyContext) -> Iterator[Dataset]:
        for number, (name, phases) in enumerate(zip(names(study), before_and_after(study), strict=True), start=4):
            numbers = {phase: acquisition for acquisition, phase in enumerate(phases, start=1)}
            start = study.phantom.phases[phases[0]].time_s if phases else 0.0
            series = Series(number=number, description=name, start_s=start, sequence=_sequence(study, **more))

            def attributes(phase: int, _: int, numbers: Mapping[int, int] = numbers) -> dict[str, Any]:
                return {"AcquisitionNumber": numbers[phase]} | study.agent(phase)

            yield from ge.marked(one_series(study, series, phases=phases, attributes=attributes), "3dfgre")

    return dynamic


def _one_breast(study: StudyContext) -> Iterator[Dataset]:
    name = f"T1 {study.phantom.side} breast"
    return series_per_phase(study, _sequence(study), lambda after: name + ("", " post", " post delay")[after])


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.gradient_echo_scout(study, 1, "3-PLANE SCOUT")
    yield from distractors.t2(study, 2)
    yield from derivations.signal_enhancement_ratio(study, 31000, "Dynamic-3dfgre SER")
    yield from derivations.percent_enhancement(study, 31001, "Dynamic-3dfgre PE1")
    yield from derivations.percent_enhancement(study, 41000, "VOI PE")
    yield from derivations.analysis_mask(study, 41001, "Breast Tissue Segmentation")


def _few_others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 2)


LAYOUTS = (
    Layout(
        name="ispy1-ge-sagittal",
        summary="GE, I-SPY 1: `Dynamic-3dfgre`, one breast, one series, only ContentTime tells the phases apart",
        equipment=ge.EQUIPMENT,
        dynamic=_dynamic_3dfgre,
        others=_others,
        views=views.sagittal,
    ),
    Layout(
        name="ispy1-ge-sagittal-pair",
        summary="GE, I-SPY 1: `LEFT - Dynamic-3dfgre` and `RIGHT -`, acquisition 0 before contrast and 2 after it",
        equipment=ge.EQUIPMENT,
        dynamic=_pair,
        others=_few_others,
        views=views.sagittal_pair,
    ),
    Layout(
        name="nact-ge-ir-spgr",
        summary="GE, NACT: `IR-SPGR-SAG`, one breast, acquisition 0 before contrast and 2 with all phases after it",
        equipment=ge.EQUIPMENT,
        dynamic=_ir_spgr,
        others=_few_others,
        views=views.sagittal,
    ),
    Layout(
        name="ispy1-siemens-sagittal",
        summary="Siemens, I-SPY 1: `ACRIN_6657/FL3D_T1_SAG`, `..._POS`, `..._CA`: one series per phase, one breast",
        equipment=siemens.EQUIPMENT,
        dynamic=_acrin,
        others=_few_others,
        views=views.sagittal,
    ),
    Layout(
        name="ispy1-sagittal-6dyn",
        summary="I-SPY 1: `#6657 BreasFS3DSAG 6DYN`, one breast, one series, AcquisitionNumber from 1",
        equipment=siemens.EQUIPMENT,
        dynamic=_six_dynamics,
        others=_few_others,
        views=views.sagittal,
    ),
    Layout(
        name="ispy1-bilateral-pre-post",
        summary="GE, I-SPY 1: `BILAT T1 SPGR PRE`, and `... POST` with all later phases by AcquisitionNumber",
        equipment=ge.EQUIPMENT,
        dynamic=_pre_and_post(lambda study: ("BILAT T1 SPGR PRE", "BILAT T1 SPGR POST"), ImageLaterality="B"),
        others=_few_others,
        views=views.sagittal_bilateral,
    ),
    Layout(
        name="ispy1-one-side-pre-post",
        summary="GE, I-SPY 1: `DCE PRE Left` and `DCE POST Left` (or Right), later phases by AcquisitionNumber",
        equipment=ge.EQUIPMENT,
        dynamic=_pre_and_post(
            lambda study: (f"DCE PRE {study.phantom.side.title()}", f"DCE POST {study.phantom.side.title()}")
        ),
        others=_few_others,
        views=views.sagittal,
    ),
    Layout(
        name="ispy1-right-breast",
        summary="I-SPY 1: `T1 right breast` (or left), `... post`, `... post delay`: too few for the model's times",
        outcome=ReasonCode.OUTSIDE_MODEL_DOMAIN,
        equipment=siemens.EQUIPMENT,
        dynamic=_one_breast,
        others=_few_others,
        views=views.sagittal_three_phases,
    ),
    Layout(
        name="ispy1-own-times",
        summary="GE, I-SPY 1: as ispy1-ge-sagittal at the cohort's own times of 0, 376 and 676 s",
        equipment=ge.EQUIPMENT,
        dynamic=_dynamic_3dfgre,
        others=_few_others,
        views=views.sagittal_ispy1_times,
        outcome="outside_model_domain",
    ),
)
