"""Artefacts -> measurements: everything that a recipe asks of some candidates, the teacher first."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import usable_cores
from compress.common.fact_cache import Journal
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.export.onnx_export import structure
from compress.measure.angle_error import ClipPlan, measure_degrees
from compress.measure.clip import Clip
from compress.measure.coco_ap import Labelled, measure_ap
from compress.measure.energy import measure_power
from compress.measure.fidelity import FidelityPlan, measure_fidelity
from compress.measure.kinematics import kinematic_facts
from compress.measure.latency_memory import CostPlan, latency_settings, measure_memory
from compress.measure.measured import Measured
from compress.measure.packed_size import measure_packed
from compress.measure.pose_inference import Networks
from compress.measure.runtime_artefacts import RuntimeArtefacts, in_each_runtime
from compress.recipe.models import LatencyPlan, Recipe
from compress.results.records import Fidelity, Kinematics, LabelledAp, Memory
from eval.frames import Sample
from eval.maps import input_size


@dataclass(frozen=True)
class Sharing:
    """What the trials of a search share. A run of its own shares nothing, and keeps nothing that only others need."""

    journal: Journal
    folder: Path
    """For what belongs to no single trial: the teacher, its stages, its averaged maps."""
    quiet: Callable[[], AbstractContextManager[object]]
    """Held while something is timed."""


@dataclass(frozen=True)
class Maps:
    """How far maps, people and angles are from the teacher's, by candidate; None for what is not asked for."""

    fidelity: Mapping[str, Fidelity] | None
    kinematics: Mapping[str, Kinematics] | None
    ap: Mapping[str, LabelledAp] | None


@dataclass(frozen=True)
class Measuring:
    """On what, and how much of it."""

    recipe: Recipe
    sample: Sample
    image: NDArray[np.uint8]
    """(H, W, 3) BGR, the first frame: its size is what times are taken at."""
    clip: Clip | None
    labelled: Labelled | None
    journal: Journal
    reporter: Reporter
    all_stages: Path
    sharing: Sharing | None

    def maps(self, built: list[Built]) -> Maps:
        """In one pass for all of them."""
        recipe, track, journal, cores = self.recipe, self.reporter.track, self.journal, usable_cores()
        fidelity = kinematics = None
        if recipe.measure.fidelity:
            kept = None if self.sharing is None else self.sharing.folder / "teacher-maps"
            plan = FidelityPlan(built[0], built, self.all_stages, self.sample, recipe.scales, cores, kept)
            fidelity = measure_fidelity(plan, journal, track)
        networks = Networks(built[0], built, self.all_stages, cores)
        if self.clip is not None:
            degrees = measure_degrees(ClipPlan(networks, self.clip), journal, track)
            kinematics = {name: kinematic_facts(found, self.clip) for name, found in degrees.items()}
        ap = None if self.labelled is None else measure_ap(networks, self.labelled, journal, track)
        return Maps(fidelity, kinematics, ap)

    def measure(self, built: list[Built]) -> Measured:
        """All of it."""
        recipe, journal, track = self.recipe, self.journal, self.reporter.track
        multiple, hw = built[0].candidate.spec.multiple, self.image.shape[:2]
        timing = recipe.measure.latency or LatencyPlan()
        artefacts = RuntimeArtefacts(timing.runtimes if recipe.measure.latency else ("onnxruntime",), self.reporter)
        artefacts.make(built, [input_size(hw, scale, multiple).padded_hw for scale in recipe.scales])
        # A search times what is built alike once: by its structure, whatever weights and names it has.
        known = {one.name: _by_structure(one) if self.sharing else one for one in built}

        def plan(runtime: str) -> CostPlan:
            return CostPlan(
                candidates=[known[one.name] for one in artefacts.usable(built, runtime)],
                image=self.image,
                scales=recipe.scales,
                multiple=multiple,
                runtime=runtime,
                settings=latency_settings(recipe),
                seed=recipe.data.seed,
                artefact=artefacts.of(runtime),
            )

        maps = self.maps(built)
        memory, no_memory = self._memory(plan(timing.runtime), known) if recipe.measure.memory else (None, {})
        latency = None
        if recipe.measure.latency:
            plans = [plan(runtime) for runtime in timing.runtimes]
            with nullcontext() if self.sharing is None else self.sharing.quiet():
                times = in_each_runtime(plans, journal, track)
            latency = {name: times[one.name] for name, one in known.items() if one.name in times}
        power = packed = None
        if recipe.measure.energy:
            power = measure_power(
                replace(plan(timing.runtime), candidates=artefacts.usable(built, timing.runtime)), built, journal, track
            )
        if recipe.measure.packed:
            packed = measure_packed(built, journal, track)
        quick_look = bool(recipe.measure.kinematics) and self.clip is None
        return Measured(
            macs_input_hw=input_size(hw, 1.0, multiple).padded_hw,
            fidelity=maps.fidelity,
            latency=latency,
            memory=memory,
            kinematics=maps.kinematics,
            ap=maps.ap,
            quick_look=quick_look,
            no_memory=no_memory,
            power=power,
            packed=packed,
            no_latency=artefacts.reasons(),
        )

    def _memory(self, plan: CostPlan, known: Mapping[str, Built]) -> tuple[dict[str, Memory], dict[str, str]]:
        """By name: the peaks, and why there is none."""
        found, reasons = measure_memory(plan, self.journal, self.reporter.track)
        none = {name: reasons[one.name] for name, one in known.items() if one.name in reasons}
        for name, reason in none.items():
            self.reporter.warn(f"{name}: peak memory was not measured: {reason}")
        return {name: found[one.name] for name, one in known.items() if one.name in found}, none


def _by_structure(built: Built) -> Built:
    """The same, called by what decides its time."""
    found = structure(built.artefact)
    return replace(built, name=found, candidate=replace(built.candidate, id=found))
