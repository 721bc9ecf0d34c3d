"""The checks of the exported file: they pass where they should, and fail where the file tells something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.calibration import Calibration, Line
from training.ensemble import Ensemble
from training.networks import (
    ClinicalHead,
    HeadOutput,
    ImagingHead,
    Inputs,
    MeasuredSize,
    Network,
    PcrHead,
    ResidualFusion,
    SpatialAttention,
)
from training.onnx_checks import check_occlusion, check_parity
from training.onnx_file import LARGEST_BYTES, ExportError, check_size, run_onnx, write_onnx

CELLS = (2, 4, 4)
Cases = tuple[Tensor, Tensor, Tensor]


class MeanSignal(nn.Module):
    """A backbone whose cells are the three phases, averaged."""

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.avg_pool3d(image, (1, 4, 4)).permute(0, 2, 3, 4, 1)


class ShowsAnotherPlace(PcrHead):
    """Pools with its attention, and shows it mirrored."""

    def forward(self, inputs: Inputs) -> HeadOutput:
        output = super().forward(inputs)
        return output._replace(attention=output.attention.flip(2, 3))


class ShowsTwiceAsMuch(PcrHead):
    """Shows weights that sum to two."""

    def forward(self, inputs: Inputs) -> HeadOutput:
        output = super().forward(inputs)
        return output._replace(attention=2 * output.attention)


def make_ensemble(kind: type[PcrHead] = PcrHead) -> Ensemble:
    """One network that attends to what enhances early, and judges it."""
    imaging = ImagingHead(3, SpatialAttention(3, 1, bound=5), MeasuredSize(1))
    first, _, second = imaging.attention.score
    with torch.no_grad():
        for layer, weights, bias in ((first, [[0.0, 1.0, 0.0]], 0.0), (second, [[4.0]], -2.0)):
            layer.weight.copy_(torch.tensor(weights))
            layer.bias.fill_(bias)
        imaging.pattern.weight.copy_(torch.tensor([[0.0, 3.0, 0.0]]))
        imaging.extent.weight.fill_(0.5)
    head = kind(imaging, ClinicalHead(1, []), ResidualFusion(0.5))
    line = Line(1.0, -1.0)
    calibration = Calibration(joint=line, imaging=line, clinical=line)
    return Ensemble(MeanSignal(), [Network(nn.Identity(), head)], calibration, 1)


@pytest.fixture(scope="module")
def cases() -> Cases:
    """Six dark images with two bright cells each, in a corner of their own."""
    image = 0.1 * torch.rand(6, 3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    for case in range(6):
        image[case, 1, :, :4, 4 * (case % 2) : 4 * (case % 2) + 4] += 1
    return image, torch.linspace(-1, 1, 12).view(6, 2), torch.zeros(6, 2)


def write(model: Ensemble, cases: Cases, path: Path) -> Path:
    write_onnx(model, (cases[0][:2], cases[1][:2], cases[2][:2]), path)
    return path


@pytest.fixture(scope="module")
def exported(cases: Cases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an ensemble as it is made."""
    return write(make_ensemble(), cases, tmp_path_factory.mktemp("exported") / "model.onnx")


# Occlusion


def test_occluding_what_is_attended_moves_the_answer_more_than_occluding_other_cells(
    exported: Path, cases: Cases
) -> None:
    found = check_occlusion(exported, cases)
    assert found.attended > 10 * found.random
    assert found.cases_attended_more == 1


def test_attention_that_is_not_what_pools_is_not_exported(cases: Cases, tmp_path: Path) -> None:
    path = write(make_ensemble(ShowsAnotherPlace), cases, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="no more than occluding random ones"):
        check_occlusion(path, cases)


# Parity


def test_a_file_that_answers_otherwise_is_not_exported(exported: Path, cases: Cases) -> None:
    model = make_ensemble()
    assert check_parity(model, exported, cases).probability < 1e-5
    model.members[0].head.clinical.weights.add_(0.1)
    with pytest.raises(ExportError, match="disagree"):
        check_parity(model, exported, cases)


def test_no_number_is_no_agreement(exported: Path, cases: Cases) -> None:
    model = make_ensemble()
    model.lines.fill_(torch.nan)
    with pytest.raises(ExportError, match="disagree"):
        check_parity(model, exported, cases)


def test_attention_that_does_not_sum_to_one_is_not_exported(cases: Cases, tmp_path: Path) -> None:
    model = make_ensemble(ShowsTwiceAsMuch)
    with pytest.raises(ExportError, match=r"attention sums to 2 \.\. 2, not to 1"):
        check_parity(model, write(model, cases, tmp_path / "model.onnx"), cases)


# Missing values


def test_without_clinical_values_the_answer_is_the_imaging_answer(cases: Cases) -> None:
    image, clinical, _ = cases
    model = make_ensemble()
    model.lines.copy_(torch.tensor([[2.0, 1.0], [1.0, -1.0], [1.0, 0.0]]))
    flagged = model(image, clinical, torch.tensor([[1.0, 0.0]] * 6))
    holes = model(image, torch.stack([torch.full((6,), torch.nan), clinical[:, 1]], dim=1), torch.zeros(6, 2))
    known = model(image, clinical, torch.zeros(6, 2))
    assert torch.equal(flagged.probability, known.imaging_probability)
    assert torch.equal(holes.probability, known.imaging_probability)
    assert not torch.allclose(known.probability, known.imaging_probability)


def test_a_lesion_size_that_is_missing_counts_as_its_offset(cases: Cases) -> None:
    image, clinical, missing = cases
    model = make_ensemble()
    at_offset = model(image, clinical * torch.tensor([1.0, 0.0]), missing)
    for values, flags in (
        (clinical, torch.tensor([[0.0, 1.0]] * 6)),
        (torch.stack([clinical[:, 0], torch.full((6,), torch.nan)], dim=1), missing),
    ):
        unknown = model(image, values, flags)
        assert torch.equal(unknown.probability, at_offset.probability)
        assert torch.equal(unknown.imaging_probability, at_offset.imaging_probability)
    assert not torch.allclose(model(image, clinical, missing).probability, at_offset.probability)


# The file


def test_every_batch_size_gives_the_same_answer(exported: Path, cases: Cases) -> None:
    feeds = dict(zip(("image", "clinical", "clinical_missing"), (case.numpy() for case in cases), strict=True))
    together = run_onnx(exported, feeds)["probability"]
    single = [{name: feed[case : case + 1] for name, feed in feeds.items()} for case in range(6)]
    alone = [run_onnx(exported, feed)["probability"][0] for feed in single]
    assert together == pytest.approx(alone, abs=1e-6)


def test_a_file_that_is_too_large_is_not_shipped(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(ExportError, match=f"more than {LARGEST_BYTES}"):
        check_size(path)
