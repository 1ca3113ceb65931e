"""prune_channels: narrower layers, which keep the channels that matter most (Li et al. 2017, Fang et al. 2023).

What pruning loses, training between its rounds and a distill step after it win back. The maps' channels are never
touched.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from compress.core.notes import PredictedTime, PruningNote
from compress.pruning.allocation import Counts, Search, Shares, greedy, part_names, strongest, uniform, uniform_to_macs
from compress.pruning.channel_graph import Layout, read_layout, with_widths
from compress.pruning.channel_reconstruction import remove_and_reconstruct
from compress.pruning.dependency_graph import remove_channels
from compress.pruning.importance import Scores
from compress.pruning.latency_table import LatencyTable, open_table
from compress.steps.base import SettingError, Step
from compress.steps.channel_importance import BY_FRAMES, IMPORTANCE, Asked
from compress.steps.iterative import Between, RoundCount, Rounds, share_after
from compress.training.engine import main_process_first
from teachers.graph import read_graph
from teachers.layers import InstanceNorm
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec
from teachers.zoo import nearest

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

_CELLS = (46, 82)
"""Rows and columns of the maps for which MACs are counted and layers timed: 368x656 pixels at stride 8."""
_RUNTIME = "onnxruntime"
if TYPE_CHECKING:
    ImportanceName = str
else:
    ImportanceName = Literal[tuple(IMPORTANCE)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class ChosenWidths:
    """Which widths were chosen, and what is predicted of them."""

    counts: Counts
    predicted_ms: float | None
    """Sum over the latency table; None unless widths were chosen by latency."""
    parent_predicted_ms: float | None
    """The same of the network before pruning."""


class PruneChannels(Step):
    """Removes channels from every layer but the heads."""

    step: Literal["prune_channels"] = "prune_channels"
    pruning_ratio: Annotated[
        Share | None,
        Field(
            description="Share of each layer's channels that goes; higher is faster. Of a plain convolution's "
            "multiply-accumulates about (1 - pruning_ratio)^2 stay, of a depthwise one's 1 - pruning_ratio."
        ),
    ] = None
    target_macs: Annotated[
        Share | None,
        Field(
            description="Instead of `pruning_ratio`: at most this share of all multiply-accumulates stays; lower is "
            "faster."
        ),
    ] = None
    pruning_ratios: Annotated[
        dict[str, Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]] | None,
        Field(
            description="Ratios of parts: backbone, stages, paf, heatmap, trunk, stage_1, stage_1.paf, ...; "
            "the most specific counts, and 0 leaves a part as it is."
        ),
    ] = None
    allocation: Annotated[
        Literal["uniform", "importance", "latency"],
        Field(
            description="Every layer loses the same share; or, down to the same multiply-accumulates, channels go "
            "where they matter least; or where they save most measured time for what they matter."
        ),
    ] = "uniform"
    importance: Annotated[
        ImportanceName,
        Field(
            description="What decides which channels stay: the norm of the weights that make a channel times that of "
            "those that read it (weight_norm_product), of those that make it (magnitude); what the loss (taylor) or "
            "the maps (gauss_newton) would change without it; the scale of its batch norm (batch_norm); or random."
        ),
    ] = "weight_norm_product"
    calibration_frames: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Training frames that importance is judged by and weights are fitted on; more: surer, slower.",
        ),
    ] = 32
    reconstruct: Annotated[
        bool,
        Field(
            description="Weights of the channels that stay are fitted, layer by layer, to what the whole network gives "
            "on training frames. Much closer at once, and a better place to train from; takes some seconds."
        ),
    ] = False
    round_to: Annotated[
        int, Field(ge=1, le=256, description="Widths are multiples of it, as runtimes like; never fewer than it.")
    ] = 8
    threads: Annotated[
        int, Field(ge=1, le=4096, description="With allocation: latency, the threads that layers are timed with.")
    ] = 1
    iterative_steps: RoundCount = 1
    finetune: Between = None

    @model_validator(mode="after")
    def _says_how_much(self) -> "PruneChannels":
        if self.pruning_ratio is not None and self.target_macs is not None:
            raise ValueError("give `pruning_ratio` or `target_macs`, not both: each sets the amount")
        if self.pruning_ratio is None and self.target_macs is None and not self.pruning_ratios:
            raise ValueError("the amount is missing: give `pruning_ratio`, `target_macs` or `pruning_ratios`")
        return self

    @property
    def learns(self) -> bool:
        """See `Step`."""
        return self.importance in BY_FRAMES or self.reconstruct or self.finetune is not None

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec with its new widths; the given spec where weights or times are needed to choose them."""
        _require_folded(spec)
        layout = _layout(spec)
        self._check_parts(layout)
        counts = self._even_counts(layout)
        if self.finetune is not None:
            try:
                self.finetune.check(spec)
            except SettingError as error:
                raise SettingError(f"finetune.{error.field}", error.message) from error
        return with_widths(spec, layout.narrowed(counts)) if self.allocation == "uniform" else spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A narrower network with the weights of the channels that stay; shares no memory with the given one."""
        whole = _layout(candidate.spec)
        self._check_parts(whole)
        chosen: list[ChosenWidths] = []

        def once(now: "Candidate", done: float) -> PoseNet:
            layout = _layout(now.spec)
            scores = IMPORTANCE[self.importance](Asked(now.network, layout, context, self.calibration_frames))
            # Several processes must cut alike: the first fills the table, the others then read it.
            with main_process_first():
                chosen.append(self.choose(layout, scores, whole=whole, done=done))
            removed = {name: strongest(scores[name], count) for name, count in chosen[-1].counts.items()}
            if not self.reconstruct:
                return remove_channels(now.network, removed)
            targets = context.targets
            return remove_and_reconstruct(
                now.network,
                removed,
                targets.calibration(self.calibration_frames, now.spec.stride),
            )

        network, notes = Rounds(self.iterative_steps, self.finetune).run(candidate, context, once)
        note = self._note(candidate, _layout(network.spec), chosen)
        return candidate.followed_by(self.model_dump(mode="json"), network, *notes, note)

    def choose(
        self,
        layout: Layout,
        scores: Scores,
        table: LatencyTable | None = None,
        whole: Layout | None = None,
        done: float = 1.0,
    ) -> ChosenWidths:
        """The widths for this layout; with allocation: latency from this machine's table unless one is given.

        whole: the layout before the first round; done: the part of all rounds that these widths end.
        """
        whole = whole or layout
        even = self._even_counts(whole, done)
        if done < 1:  # rounding to multiples may lead below what is wanted in the end
            final = self._even_counts(whole)
            even = {name: max(count, final[name]) for name, count in even.items()}
        if self.allocation == "uniform":
            return ChosenWidths(even, None, None)
        # The bargain is struck at equal cost: as many multiply-accumulates as even widths would leave.
        all_macs = whole.macs(whole.widths)
        limit = whole.macs(whole.narrowed(even)) if self.target_macs is None else self.target_macs**done * all_macs
        fixed = {group.name: even[group.name] for group in layout.groups if self._is_named(group.makers)}
        search = Search(layout, scores, self.round_to, fixed, lambda widths: layout.macs(widths) <= limit)
        if self.allocation == "importance":
            return ChosenWidths(greedy(search), None, None)
        table = table or open_table(_RUNTIME, self.threads)
        try:
            counts = greedy(search, table.time_ms)
            predicted = table.network_ms(layout, layout.narrowed(counts))
            return ChosenWidths(counts, predicted, table.network_ms(layout, layout.widths))
        finally:
            table.save()

    def _note(self, candidate: "Candidate", after: Layout, chosen: list[ChosenWidths]) -> PruningNote:
        """What the report shows of the step."""
        before = _layout(candidate.spec)
        first, last = chosen[0].parent_predicted_ms, chosen[-1].predicted_ms
        predicted = None
        if first is not None and last is not None:
            predicted = PredictedTime(runtime=_RUNTIME, threads=self.threads, ms=last, parent_ms=first)
        return PruningNote(
            place=f"{len(candidate.steps)}",
            parent=candidate.id,
            allocation=self.allocation,
            importance=self.importance,
            reconstruct=self.reconstruct,
            iterative_steps=self.iterative_steps,
            channels=(_width(before), _width(after)),
            macs=(before.macs(before.widths), after.macs(after.widths)),
            input_hw=(_CELLS[0] * candidate.spec.stride, _CELLS[1] * candidate.spec.stride),
            predicted=predicted,
        )

    def _even_counts(self, layout: Layout, done: float = 1.0) -> Counts:
        counts = self._even_or_equal_counts(layout, done)
        if done == 1 and all(counts[group.name] == group.width for group in layout.groups):
            name = next(
                name for name in ("pruning_ratio", "target_macs", "pruning_ratios") if getattr(self, name) is not None
            )
            message = f"nothing would go: rounded to multiples of {self.round_to}, every layer stays as wide as it is"
            raise SettingError(name, f"{message}; more pruning or a smaller round_to would do")
        return counts

    def _even_or_equal_counts(self, layout: Layout, done: float) -> Counts:
        parts = {name: share_after(share, done) for name, share in (self.pruning_ratios or {}).items()}
        if self.target_macs is None:
            return uniform(layout, Shares(share_after(self.pruning_ratio or 0.0, done), parts), self.round_to)
        whole = layout.macs(layout.widths)
        try:
            return uniform_to_macs(layout, self.target_macs**done * whole, parts, self.round_to)
        except ValueError as error:
            raise SettingError(
                "target_macs", f"{self.target_macs:g} of {whole:,} cannot be reached: {error}"
            ) from error

    def _is_named(self, makers: tuple[str, ...]) -> bool:
        return any(name in (self.pruning_ratios or {}) for maker in makers for name in part_names(maker))

    def _check_parts(self, layout: Layout) -> None:
        known = {name for group in layout.groups for maker in group.makers for name in part_names(maker)}
        for name in self.pruning_ratios or {}:
            if name not in known:
                raise SettingError(
                    "pruning_ratios", f"no part that can be pruned is called {name!r}{nearest(name, sorted(known))}"
                )


def _require_folded(spec: PoseNetSpec) -> None:
    """A norm after a channel's filters makes their size irrelevant; importance scores are based on size."""
    norms = [node.name for node in read_graph(spec).nodes if isinstance(node.operation, InstanceNorm)]
    if norms:
        raise SettingError(
            "step",
            f"cannot prune {spec.backbone.name}: {norms[0]} normalises each image by its own numbers, and no "
            "importance here ranks the channels before it; remove_stages, swap_backbone and distill work on it",
        )


def _width(layout: Layout) -> int:
    return sum(group.width for group in layout.groups)


def _layout(spec: PoseNetSpec) -> Layout:
    return read_layout(spec, (_CELLS[0] * spec.stride, _CELLS[1] * spec.stride))
