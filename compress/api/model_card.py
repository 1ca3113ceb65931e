"""A model card beside an exported artefact: README.md as model hubs read it. Nothing is uploaded.

The header is YAML between two lines of ---, with the keys of Hugging Face's model cards. What follows is what the
export proved, and what the run that made the candidate measured, where the candidate lies in that run's folder.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from compress.api.exported import Exported
from compress.export.parity import LIMITS
from compress.results.column_text import column_label, value_text
from compress.results.columns import READERS, number
from compress.results.records import Record
from compress.run.card_parts import hub_licence, licence_line, own_record
from eval.inference import in_words
from teachers.common.errors import UserError
from teachers.common.files import sha256_of, write_text
from teachers.registry import teacher_names
from teachers.spec import PoseNetSpec

CARD = "README.md"
_OURS = "<!-- written by `compress export --card` -->"
_QUANTITIES = (
    "latency_ms", "latency_ratio", "joint_rel_l2", "paf_rel_l2", "oks", "people_recall", "ap", "ap_ratio",
    "angle_median_deg", "angle_p95_deg", "params", "macs",
)  # fmt: skip
"""Columns of candidates.csv that somebody who chooses a model asks for; those that were measured are shown."""


def card_file(artefact: Path) -> Path:
    """Where the card of an artefact goes. UserError where another README lies, which is never written over."""
    path = artefact.with_name(CARD)
    if path.is_file() and _OURS not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{path}: is not a card that compress wrote; give --out in a folder of its own")
    return path


def write_card(found: Exported) -> Path:
    """Writes the card beside the artefact. UserError as `card_file`."""
    path = card_file(found.path)
    write_text(path, model_card(found, own_record(found.candidate, Path(found.model))))
    return path


def model_card(found: Exported, record: Record | None) -> str:
    """The text of the card."""
    candidate = found.candidate
    header = yaml.safe_dump(_header(found, record), sort_keys=False, allow_unicode=True)
    sections = (
        f"---\n{header}---\n\n{_OURS}\n\n# {found.path.name}\n\n{_summary(found, record)}",
        _section("Input and outputs", _interface(found, candidate.spec)),
        _section("Compared with its network", _parity(found)),
        _section("Measured", [] if record is None else list(_measured(record))),
        _section("Files", [f"* `{path.name}`: sha256 `{sha256_of(path)}`" for path in found.files if path.is_file()]),
        _section("Licence of the weights", [licence_line(found.licence)]),
    )
    return "\n\n".join(part for part in sections if part) + "\n"


def _header(found: Exported, record: Record | None) -> dict[str, object]:
    header: dict[str, object] = dict(hub_licence(found.licence))
    header["library_name"] = found.runtime
    header["pipeline_tag"] = "keypoint-detection"
    header["tags"] = ["human-pose-estimation", "openpose", found.precision, found.runtime]
    # A teacher of one's own is a path, which is nobody else's business.
    if record is not None and record.teacher in teacher_names():
        header["base_model"] = record.teacher
    return header


def _summary(found: Exported, record: Record | None) -> str:
    candidate, spec = found.candidate, found.candidate.spec
    steps = "" if record is None else " > ".join(str(step.get("step")) for step in record.steps)
    made = f" Made from its teacher by {steps}." if steps else ""
    return (
        f"A human-pose network that gives {len(spec.skeleton.keypoints)} keypoints of every person in an image, by "
        f"confidence heatmaps and part affinity fields: backbone {spec.backbone.name}, {len(spec.stages)} stages, "
        f"for {found.runtime} in {found.precision}.{made} Network id: `{candidate.id}`."
    )


def _interface(found: Exported, spec: PoseNetSpec) -> list[str]:
    size = "any, multiples of " + str(spec.multiple) if found.input_hw is None else "x".join(map(str, found.input_hw))
    inference = found.candidate.inference
    run = [] if inference is None else [f"* Run with: {in_words(inference)}"]
    return [
        f"* Input: one image (1, 3, H, W), raw pixels 0 to 255 as float32, {spec.input.channels}; H and W: {size}",
        f"* Outputs at stride {spec.stride}: heatmaps (1, {spec.skeleton.heatmap_channels}, h, w), background last; "
        f"then part affinity fields (1, {spec.skeleton.paf_channels}, h, w)",
        f"* Keypoints, in the order of the heatmaps ({spec.skeleton.name}): {', '.join(spec.skeleton.keypoints)}",
        *run,
    ]


def _parity(found: Exported) -> list[str]:
    parity, limits = found.parity, LIMITS[found.precision]
    if parity is None:
        return ["Not compared: no runtime on the machine that converted it loads this format."]
    if found.precision == "int8":
        maps = f"relative L2 {parity.rel_l2:.2g} to the same network in integers"
    else:
        maps = f"at most {parity.max_abs:.2g} off"
    return [
        f"On {parity.image}: maps {maps}; of {parity.keypoints} keypoints {parity.keypoints_lost} lost, new or more "
        f"than {limits.shift_px:g} pixels away."
    ]


def _measured(record: Record) -> Iterator[str]:
    values = {name: number(record, name) for name in _QUANTITIES if name in READERS}
    rows = [
        f"| {column_label(name)} | {value_text(name, value)} |" for name, value in values.items() if value is not None
    ]
    if not rows:
        return
    cpu = record.conditions.get("machine", {}).get("cpu", "an unknown CPU")
    yield f"By the run that made it, as ONNX, on {cpu}. Errors are against the teacher.\n"
    yield "| quantity | value |\n| --- | --- |"
    yield from rows


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""
