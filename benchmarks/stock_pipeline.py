"""`python stock_pipeline.py STUDY OUT`: the stock pipeline of MONAI Deploy App SDK, from one dynamic phase to text SR.

Loader, selector, volume operator and SR writer are the SDK's own, as its examples join them; one small operator turns
the volume into a line of text. It stands alone: its environment has the SDK, torch and MONAI, and nothing of ours.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, ExecutionContext, InputContext, Operator, OperatorSpec, OutputContext
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator
from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator
from monai.deploy.operators.dicom_text_sr_writer_operator import DICOMTextSRWriterOperator, EquipmentInfo, ModelInfo

RULES = {
    "selections": [
        {"name": "first pass", "conditions": {"Modality": "MR", "SeriesDescription": "ax dyn 1st pass"}},
    ]
}


class DescribeOperator(Operator):
    """One line of text about a volume, where an application would have its network."""

    def setup(self, spec: OperatorSpec) -> None:
        """Image in, text out."""
        spec.input("image")
        spec.output("text")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Shape and mean signal."""
        pixels = op_input.receive("image").asnumpy()
        op_output.emit(f"volume {pixels.shape}, mean signal {pixels.mean():.1f}", "text")


class StockPipeline(Application):
    """The graph of the SDK's own examples."""

    def __init__(self, study: Path, out: Path) -> None:
        self._study, self._out = study, out
        # Without arguments of its own, Holoscan would parse those of this program.
        super().__init__([sys.executable, "stock-pipeline"])

    def compose(self) -> None:
        """Connect the operators."""
        once: Any = CountCondition(self, 1)
        loader = DICOMDataLoaderOperator(self, once, input_folder=self._study, name="loader")
        selector = DICOMSeriesSelectorOperator(self, rules=json.dumps(RULES), name="selector")
        volume = DICOMSeriesToVolumeOperator(self, name="volume")
        describe = DescribeOperator(self, name="describe")
        writer = DICOMTextSRWriterOperator(
            self,
            output_folder=self._out,
            model_info=ModelInfo("benchmark", "none", "1", "2.25.1"),
            equipment_info=EquipmentInfo(manufacturer="none", manufacturer_model="none"),
            copy_tags=True,
            name="writer",
        )
        self.add_flow(loader, selector, {("dicom_study_list", "dicom_study_list")})
        selected = "study_selected_series_list"
        self.add_flow(selector, volume, {(selected, selected)})
        self.add_flow(volume, describe, {("image", "image")})
        self.add_flow(describe, writer, {("text", "text")})
        self.add_flow(selector, writer, {(selected, selected)})


if __name__ == "__main__":
    StockPipeline(Path(sys.argv[1]), Path(sys.argv[2])).run()
