"""The card of a model of the zoo: YAML front matter as hubs read it, then what a user must know before taking it.

Numbers are those of the run that measured the model; without such a run the card says so. Nothing is uploaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from compress.common.run_folder import ENVIRONMENT, RECIPE
from compress.common.yaml_source import YamlError, dump_yaml, parse_yaml
from compress.core.candidate import Candidate
from compress.core.notes import TrainingNote
from compress.measure.kinematics import Kinematics
from compress.results.column_text import value_text
from compress.results.columns import COLUMNS, READERS
from compress.results.records import Record
from compress.run.card_parts import hub_licence, licence_line, own_record
from eval.kinematic_tiers import WORST_TIER

CARD = "README.md"
MEASURED = {
    "macs": "multiply-accumulates",
    "size_bytes": "size of the ONNX file",
    "latency_ms": "time of one frame, median",
    "latency_ratio": "time, of the reference's",
    "joint_rel_l2": "joints, relative L2 from the reference",
    "paf_rel_l2": "PAFs, relative L2 from the reference",
    "oks": "OKS against the reference",
    "people_recall": "people found, of the reference's",
    "angle_median_deg": "joint angles, median error of the worst joint",
    "angle_p95_deg": "joint angles, P95 of the worst joint",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from."""

    name: str
    candidate: Candidate
    record: Record | None
    """What the run measured that made the candidate; None without one."""
    recipe: Mapping[str, Any]
    """The candidate's own recipe; empty where there is none."""
    command: str
    """What was typed for that run."""
    trained_on: str | None = None
    """The data and their licences in the author's words; left out, what the recipe names."""
    picture: str | None = None
    """A file beside the card that shows the knee's curve."""

    @property
    def tier(self) -> str | None:
        """What its joint angles may be used for; None where they were not measured."""
        found = None if self.record is None else self.record.facts(Kinematics)
        return None if found is None else found.tier


def card_facts(name: str, folder: Path, candidate: Candidate, trained_on: str | None = None) -> CardFacts:
    """Of a model's folder; that of a run's candidate has its measurements beside it."""
    record = own_record(candidate, folder)
    environment = {} if record is None else _yaml(folder.resolve().parents[1] / ENVIRONMENT)
    command = str(environment.get("command", ""))
    return CardFacts(name, candidate, record, _yaml(folder / RECIPE), command, trained_on)


def card_text(facts: CardFacts) -> str:
    """The card; docs/shipping.md says what each part is for."""
    parts = [
        _front_matter(facts),
        f"# {facts.name}\n\n{_summary(facts)}",
        _how_to_run(facts),
        f"## Architecture\n\n{_architecture(facts)}",
        f"## Training\n\n{_training(facts)}",
        f"## Measured\n\n{_measured(facts)}",
        f"## Not for\n\n{_not_for(facts)}",
        f"## Licence\n\n{licence_line(facts.candidate.licence)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: CardFacts) -> str:
    data: dict[str, Any] = {
        **hub_licence(facts.candidate.licence),
        "library_name": "onnx",
        "pipeline_tag": "keypoint-detection",
        "tags": ["pose-estimation", "openpose", "model-compression", *([_precision(facts)])],
    }
    return f"---\n{dump_yaml(data)}---"


def _precision(facts: CardFacts) -> str:
    quantization = facts.candidate.quantization
    return "fp32" if quantization is None else quantization.precision


def _summary(facts: CardFacts) -> str:
    spec = facts.candidate.spec
    return (
        f"{len(spec.stages)} stage{'s' if len(spec.stages) > 1 else ''} on {spec.backbone.name} in "
        f"{_precision(facts)}: heatmaps and part affinity fields of {spec.skeleton.name}. {_use(facts)}"
    )


def _use(facts: CardFacts) -> str:
    if facts.tier is None:
        return "Its joint angles have not been measured."
    if facts.tier == WORST_TIER:
        return "Use it for keypoints. Its joint angles are not accurate enough yet."
    return f'Its joint angles are "{facts.tier}" on the clip below.'


def _how_to_run(facts: CardFacts) -> str:
    commands = f"    compress predict {facts.name} IMAGE\n    compress kinematics VIDEO --model {facts.name}"
    return f"{commands}\n\n{_run_as(facts)}"


def _run_as(facts: CardFacts) -> str:
    found = facts.candidate.inference
    if found is None:
        return "It runs on the whole frame at scale 1, unless `--scales` or `--roi` says otherwise."
    if found.roi is not None:
        rows, columns = found.roi.size
        return f"It is run through a window of {rows}x{columns} that follows each person."
    return f"It is run on the whole frame at the scales {', '.join(f'{scale:g}' for scale in found.scales or ())}."


def _architecture(facts: CardFacts) -> str:
    spec = facts.candidate.spec
    steps = () if facts.record is None else facts.record.steps
    made = f" Made by {', '.join(str(step['step']) for step in steps)}." if steps else ""
    weights = sum(tensor.numel() for tensor in facts.candidate.network.parameters())
    return (
        f"Backbone {spec.backbone.name}, {len(spec.stages)} stages, stride {spec.stride}, {weights:,} weights. "
        f"Input: {spec.input.channels.upper()} pixels, 0 to 255, sides in multiples of {spec.multiple}.{made}"
    )


def _training(facts: CardFacts) -> str:
    data = facts.recipe.get("training")
    sources = [PurePath(str(part["source"])).name for part in data["data"]] if isinstance(data, Mapping) else []
    named = f"Learnt from {', '.join(sources)}; their licences were not stated." if sources else ""
    lines = [facts.trained_on or named or "Not trained further than the weights that it came from."]
    notes = () if facts.record is None else facts.record.notes
    for note in notes:
        if isinstance(note, TrainingNote):
            batch = _batch(facts, note)
            seen = f", {batch * note.steps:,} images" if batch else ""
            lines.append(
                f"* step {note.place or 0}: {note.steps} updates{seen}, {note.seconds / 60:.0f} minutes on "
                f"{note.device}; held-out relative L2 of joints / PAFs {note.before.joint_rel_l2:.3f} / "
                f"{note.before.paf_rel_l2:.3f} before, {note.best.joint_rel_l2:.3f} / {note.best.paf_rel_l2:.3f} after"
            )
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def _batch(facts: CardFacts, note: TrainingNote) -> int | None:
    """Of the note's step; None where the recipe has no such step any more."""
    steps = facts.record.steps if facts.record is not None else ()
    place = (note.place or "").partition(".")[0]
    step = steps[int(place)] if place.isdigit() and int(place) < len(steps) else {}
    schedule = step.get("schedule") or (step.get("qat") or step.get("finetune") or {}).get("schedule") or {}
    found: int | None = schedule.get("batch_size")
    return found


def _measured(facts: CardFacts) -> str:
    record = facts.record
    if record is None:
        return "Not measured: the folder is of no run that is here."
    rows = [
        (text, value_text(column, value))
        for column, text in MEASURED.items()
        if column in COLUMNS and isinstance(value := READERS[column](record), float | int)
    ]
    conditions = [
        f"`{facts.command}`" if facts.command else "",
        f"{record.conditions.get('machine', {}).get('cpu', 'an unnamed CPU')}",
        f"{record.conditions.get('images', '?')} images of {PurePath(str(record.conditions.get('source', '?'))).name}",
        f"seed {record.conditions.get('seed', '?')}",
    ]
    table = ["| against the reference | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    picture = f"\n\n![The knee's angle, this model and the reference]({facts.picture})" if facts.picture else ""
    return "\n".join(table) + "\n\nMeasured by " + ", ".join(part for part in conditions if part) + "." + picture


def _not_for(facts: CardFacts) -> str:
    lines = ["* people who are not seen from the side, where flexion in the image plane is wanted"]
    if facts.tier in (None, WORST_TIER):
        lines.insert(0, "* joint angles and velocities")
    lines.append("* medical decisions, identification of people, or surveillance")
    return "\n".join(lines)


def _yaml(path: Path) -> Mapping[str, Any]:
    """Empty where there is none, or it cannot be read: JSON is YAML too."""
    try:
        found = parse_yaml(path.read_text(encoding="utf-8")).data
    except (OSError, UnicodeDecodeError, YamlError):
        return {}
    return found if isinstance(found, Mapping) else {}
