"""Notes: what a step found out on its way that a report should show. They are no part of a candidate's content."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Tag

from teachers.common.frozen import Frozen

Hw = tuple[int, int]


class BranchesL2(Frozen):
    """Relative L2 of the two branches' maps, 0 for equal maps."""

    joint_rel_l2: float
    paf_rel_l2: float


class HeldOutLook(BranchesL2):
    """The maps on held-out frames after so many steps of a training."""

    step: int
    score: float
    """What training selects weights by: lower is better."""
    oks: float | None = None
    """Of the people that the student's maps and the teacher's both decode to; None where there are none."""
    people_recall: float | None = None
    """Share of the teacher's people that the student finds."""


class LossPoint(Frozen):
    """The mean training loss since the last point."""

    step: int
    loss: float
    learning_rate: float | None = None


class TrainingNote(Frozen):
    """How one training went: of `distill`, of QAT, or between two pruning steps."""

    kind: Literal["training"] = "training"
    place: str | None = None
    """The number of its step in the recipe; `3.finetune-1` within a step."""
    losses: tuple[LossPoint, ...]
    validations: tuple[HeldOutLook, ...]
    before: HeldOutLook
    best: HeldOutLook
    best_step: int
    """0 where no step made anything better: the weights are those of before."""
    steps: int
    seconds: float
    images_per_s: float | None
    """None where an earlier call had done all the steps."""
    device: str
    precision: str
    processes: int


class HeadsNote(Frozen):
    """What fitting the last layers did."""

    kind: Literal["heads"] = "heads"
    place: str
    frames: int
    held_out: tuple[BranchesL2, BranchesL2]
    """Before and after."""
    better: bool = True
    """Whether the fitted ones were kept."""


class PredictedTime(Frozen):
    """By a table of layers timed alone."""

    runtime: str
    threads: int
    ms: float
    parent_ms: float
    """Of the network before."""


class PruningNote(Frozen):
    """What pruning channels did. Pairs are before and after."""

    kind: Literal["pruning"] = "pruning"
    place: str
    parent: str
    """Content id of the network before."""
    allocation: str
    importance: str
    reconstruct: bool
    iterative_steps: int
    channels: tuple[int, int]
    """Of all layers that may be pruned."""
    macs: tuple[int, int]
    input_hw: Hw
    """For which MACs and times are."""
    predicted: PredictedTime | None


class BlockSensitivity(BranchesL2):
    """What int8 in one block alone does to the maps."""

    block: str
    """The block's module, `stages.1.paf.3`."""

    @property
    def mean(self) -> float:
        """By which blocks are ranked; more is worse."""
        return (self.joint_rel_l2 + self.paf_rel_l2) / 2


class CollapseFacts(BranchesL2):
    """A quantized network's maps against the float network's, over all frames taken together."""

    frames: int
    keypoints: int
    lost: int
    """Keypoints without a peak near where it was."""
    peak_shift_px: float | None
    """The 90th percentile over the peaks that were found again, in pixels of the network's input."""
    overflowing: int = 0
    """Output channels in which x86 CPUs without VNNI may cut a sum off (quantization/saturation.py)."""
    saturated: "CollapseFacts | None" = None
    """The same of the network as those CPUs compute it, where there are such channels."""


class QuantizationNote(Frozen):
    """Which layers compute in int8, and whether the maps survive it."""

    kind: Literal["quantization"] = "quantization"
    floats: tuple[str, ...]
    """Blocks that stay float, in the order in which they were chosen."""
    int8: int
    """How many convolutions are in int8."""
    sensitivity: tuple[BlockSensitivity, ...]
    limit_kept: bool | None
    """Whether `max_rel_l2` was kept on the held-out frames; None without one."""
    collapse: CollapseFacts
    collapsed: tuple[str, ...]
    """Why the maps count as collapsed; empty if they do not."""


class ForeignNote(Frozen):
    """A note of another package's step, as it was made: it has a `kind` of its own and anything else."""

    model_config = ConfigDict(extra="allow")

    kind: str


_FOREIGN = "foreign"
_KINDS = ("training", "heads", "pruning", "quantization")


def _kind(note: Any) -> str:
    kind = note.get("kind") if isinstance(note, dict) else getattr(note, "kind", None)
    return kind if kind in _KINDS else _FOREIGN


Note = Annotated[
    Annotated[TrainingNote, Tag("training")]
    | Annotated[HeadsNote, Tag("heads")]
    | Annotated[PruningNote, Tag("pruning")]
    | Annotated[QuantizationNote, Tag("quantization")]
    | Annotated[ForeignNote, Tag(_FOREIGN)],
    Discriminator(_kind),
]
"""In JSON each has its `kind`."""
