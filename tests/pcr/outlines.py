"""Outlines of lesions as DICOM Segmentations, as another program would write them."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code


def segmentation(
    sources: list[Dataset],
    *masks: np.ndarray,
    kind: Code = codes.SCT.Neoplasm,
    algorithm: str = "MANUAL",
    manufacturer: str = "A Hospital",
    model: str = "A Workstation",
    segmentation_type: str = "BINARY",
    **kept: Any,
) -> hd.seg.Segmentation:
    """A SEG with one segment for each mask [slices, rows, columns]; `kept` are attributes that are set at the end."""
    name = hd.AlgorithmIdentificationSequence(name="x", version="1", family=codes.DCM.ArtificialIntelligence)
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"segment {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=kind,
            algorithm_type=algorithm,
            algorithm_identification=None if algorithm == "MANUAL" else name,
        )
        for number in range(1, len(masks) + 1)
    ]
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=np.stack(masks, axis=-1).astype(np.uint8 if segmentation_type == "BINARY" else np.float32),
        segmentation_type=segmentation_type,
        segment_descriptions=descriptions,
        series_instance_uid="1.2.3.70",
        series_number=70,
        sop_instance_uid="1.2.3.70.1",
        instance_number=1,
        manufacturer=manufacturer,
        manufacturer_model_name=model,
        software_versions="1",
        device_serial_number="1",
    )
    for keyword, value in kept.items():
        setattr(made, keyword, value)
    return made
