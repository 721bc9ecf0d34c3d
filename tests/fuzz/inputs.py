"""The inputs: small studies in every layout, and what the n-th draw of a seed makes of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phantom import GridSpec, LesionSpec, PhantomSpec, simulate, write_study
from phantom.layouts import LAYOUTS
from tests.fuzz.elements import parse, written
from tests.fuzz.mutations import BYTE_MUTATIONS, TREE_MUTATIONS, Draw, bomb

_SPEC = PhantomSpec(
    seed=7,
    grid=GridSpec().coarser(6),
    lesion=LesionSpec(side="right", quadrant="upper-outer", diameter_mm=28),
    phase_times_s=(0.0, 129.0, 449.0),
)
_BOMBS_PER_INPUT = 1 / 500


def write_seeds(folder: Path) -> None:
    """A valid study in each layout, each in a folder of its own below `folder`."""
    phantom = simulate(_SPEC)
    for name in LAYOUTS:
        write_study(phantom, name, folder / name, distractors=False, clinical=False)


@dataclass(frozen=True, slots=True)
class Mutant:
    """Files to put into a folder with a valid study: by name, their bytes; a known name replaces that file."""

    layout: str
    files: dict[str, bytes]


class Seeds:
    """The valid studies, in memory."""

    def __init__(self, folder: Path) -> None:
        self._studies = {
            study.name: {path.name: path.read_bytes() for path in sorted((study / "study").iterdir())}
            for study in sorted(folder.iterdir())
        }

    def place(self, folder: Path) -> None:
        """Write all studies, each into a folder of its own."""
        for name, files in self._studies.items():
            (folder / name).mkdir()
            for file, content in files.items():
                (folder / name / file).write_bytes(content)

    def mutant(self, seed: int, index: int) -> Mutant:
        """What the `index`-th draw of a seed comes to; always the same."""
        draw = np.random.default_rng((seed, index))
        layout = list(self._studies)[int(draw.integers(len(self._studies)))]
        study = self._studies[layout]
        names = list(study)
        if draw.random() < _BOMBS_PER_INPUT:
            return Mutant(layout, {"bomb": bomb(draw)})
        # One mutation of all files reaches deeper than that of one, since they still fit together.
        scope = draw.random()
        if scope < 0.35:
            chosen = names
        else:
            count = min(len(names), int(draw.integers(1, 4)))
            chosen = [names[int(i)] for i in draw.choice(len(names), count, replace=False)]
        own = int(draw.integers(2**32))
        same = scope < 0.5
        made = {name: _mutated(study[name], (own,) if same else (own, n)) for n, name in enumerate(chosen)}
        if scope > 0.9:
            made = {f"beside-{name}": content for name, content in made.items()}
        return Mutant(layout, made)

    @contextmanager
    def spoiled(self, folder: Path, mutant: Mutant) -> Iterator[Path]:
        """The folder of a study with the mutated files in it; afterwards it is as before."""
        target = folder / mutant.layout
        for name, content in mutant.files.items():
            (target / name).write_bytes(content)
        try:
            yield target
        finally:
            for name in mutant.files:
                if name in self._studies[mutant.layout]:
                    (target / name).write_bytes(self._studies[mutant.layout][name])
                else:
                    (target / name).unlink()


def _mutated(content: bytes, seed: tuple[int, ...]) -> bytes:
    draw: Draw = np.random.default_rng(seed)
    if draw.random() < 0.8:
        file = parse(content)
        for _ in range(1 + int(draw.geometric(0.6)) // 2):
            if file.elements:
                TREE_MUTATIONS[int(draw.integers(len(TREE_MUTATIONS)))](file, draw)
        content = written(file)
        if draw.random() < 0.85:
            return content
    return BYTE_MUTATIONS[int(draw.integers(len(BYTE_MUTATIONS)))](content, draw) if content else content
