"""A simulated bilateral breast DCE-MRI study, as voxels or as DICOM in the layouts that scanners write.

phantom = simulate(PhantomSpec(seed=7))
write_study(phantom, "ispy2-ge-tpi", "out")
"""

from phantom.dicom import Identity
from phantom.errors import PhantomError
from phantom.spec import GridSpec, LesionSpec, PhantomSpec, Protocol
from phantom.study import WrittenStudy, write_study
from phantom.voxels import Phantom, simulate

__all__ = [
    "GridSpec",
    "Identity",
    "LesionSpec",
    "Phantom",
    "PhantomError",
    "PhantomSpec",
    "Protocol",
    "WrittenStudy",
    "simulate",
    "write_study",
]
