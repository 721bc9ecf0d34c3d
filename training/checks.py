"""All that was found on an exported file, kept in the run folder for a card that is written later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from training.onnx_checks import Occlusion, Parity
from training.robustness import Moved, Robustness


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What was found on the exported file."""

    parity: Parity
    occlusion: Occlusion
    robustness: Robustness

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> Checks:
        """What `write` left."""
        plain = json.loads(path.read_text("utf-8"))
        moved = {cause: Moved(**found) for cause, found in plain["robustness"].items()}
        return cls(
            parity=Parity(**plain["parity"]),
            occlusion=Occlusion(**plain["occlusion"]),
            robustness=Robustness(**moved),
        )
