"""Everything that decides what the angles of a track are."""

from dataclasses import dataclass, field
from typing import Literal

from eval.angles import SIGNS, View
from eval.filters import Butterworth, OneEuro
from eval.outliers import OutlierFilter
from eval.rts_smoother import RauchTungStriebel
from eval.side_search import SideSettings
from teachers.common.errors import UserError

VIEWS: tuple[str, ...] = ("auto", *SIGNS)


@dataclass(frozen=True)
class KinematicsSettings:
    """Everything that decides what the angles of a track are."""

    min_confidence: float = 0.15
    """A keypoint below it is treated as not seen."""
    max_gap_s: float = 0.33
    outliers: OutlierFilter | None = field(default_factory=OutlierFilter)
    """None keeps points that jump."""
    low_pass: RauchTungStriebel | Butterworth | OneEuro | None = field(default_factory=RauchTungStriebel)
    """One-euro makes the whole path causal: no gap is filled, and no outlier is dropped."""
    visible_side: Literal["auto"] | View = "auto"
    """`auto`: the view of each stretch of time as it is seen; else one view throughout."""
    swap_repair: SideSettings | None = field(default_factory=SideSettings)
    """How exchanged sides and doubled limbs are put right; None: the network's labels stand."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise UserError(f"min_confidence: must lie in [0, 1], got {self.min_confidence}")
        if not self.max_gap_s >= 0:
            raise UserError(f"max_gap_s: must not be negative, got {self.max_gap_s}")
        if self.visible_side not in VIEWS:
            raise UserError(f"visible_side: must be one of {', '.join(VIEWS)}, got {self.visible_side!r}")
