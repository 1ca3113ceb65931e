"""Models that this project ships: the folders of `zoo/`, each by its name, as teachers are."""

from dataclasses import dataclass
from pathlib import Path

from compress.core.built import ARTEFACT

ZOO = Path(__file__).resolve().parents[2] / "zoo"
"""Beside the packages in a checkout; an installed wheel holds no weights, so there it is missing."""


@dataclass(frozen=True)
class ShippedModel:
    """One folder of the zoo."""

    name: str
    folder: Path

    @property
    def artefact(self) -> Path:
        """What is run."""
        return self.folder / ARTEFACT

    @property
    def summary(self) -> str:
        """The first sentence of its card, in one line; empty without a card."""
        card = self.folder / "README.md"
        if not card.is_file():
            return ""
        parts = card.read_text(encoding="utf-8").split("\n\n")
        text = next((" ".join(part.split()) for part in parts if part and not part.startswith(("#", " ", "---"))), "")
        return text.split(". ")[0].rstrip(".:")


def shipped_models(zoo: Path | None = None) -> dict[str, ShippedModel]:
    """By name, in the alphabet's order; a folder without an artefact is none."""
    zoo = ZOO if zoo is None else zoo
    found = [ShippedModel(path.parent.name, path.parent) for path in sorted(zoo.glob(f"*/{ARTEFACT}"))]
    return {model.name: model for model in found}
