"""A candidate's recipe in words: `first 3 stages kept, then trained 4000 steps on the teacher's maps`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compress.results.columns import steps_text
from compress.results.records import Record
from compress.results.search_facts import ParameterValue
from compress.steps import STEPS
from eval.inference import in_words

Settings = Mapping[str, Any]


def recipe_text(record: Record) -> str:
    """What was done to the teacher, step by step, for a reader who does not know the names of the settings."""
    if record.role == "teacher":
        return "the teacher itself"
    steps = described_steps(record.steps) or "the teacher, unchanged"
    return steps if record.inference is None else f"{steps}, run at {in_words(record.inference)}"


def described_steps(steps: Sequence[Settings]) -> str:
    """Each step in words, in order; one that is not known here as candidates.csv spells it."""
    return ", then ".join(_one(step) for step in steps)


def choices_text(choices: Mapping[str, ParameterValue]) -> str:
    """`stages 3, width 0.5`: what a search chose, where a trial left no record."""
    return ", ".join(f"{name.replace('_', ' ')} {shown(value)}" for name, value in choices.items())


def shown(value: ParameterValue) -> str:
    """One chosen value: yes and no for switches, numbers without noise digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _one(step: Settings) -> str:
    words = _WORDS.get(str(step.get("step")))
    try:
        return steps_text((dict(step),)) if words is None else words(_filled(step))
    except (KeyError, TypeError, ValueError):
        return steps_text((dict(step),))  # recorded by another version, whose settings were others


def _filled(step: Settings) -> Settings:
    """With the defaults of settings that the record leaves out."""
    kind = next(kind for kind in STEPS if kind.model_fields["step"].default == step["step"])
    return kind.model_validate_json(json.dumps(step)).model_dump(mode="json")


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _remove_stages(step: Settings) -> str:
    return "first stage kept" if step["stages"] == 1 else f"first {step['stages']} stages kept"


def _swap_backbone(step: Settings) -> str:
    width = "" if step["width"] == 1 else f" at {step['width']:g} times its width"
    features = "" if step["feature_channels"] is None else f", {step['feature_channels']} feature channels"
    weights = "" if step["pretrained"] is None else ", with ImageNet weights"
    return f"{step['backbone']} as backbone{width}{features}{weights}"


def _replace_stages(step: Settings) -> str:
    count = "as many" if step["stages"] is None else str(step["stages"])
    width = "" if step["width"] is None else f", {step['width']} channels wide"
    return f"{count} new {step['plan'].replace('_', '-')} stage{'' if step['stages'] == 1 else 's'}{width}"


def _prune_channels(step: Settings) -> str:
    parts = [f"{_percent(share)} of {part.replace('_', ' ')}" for part, share in (step["pruning_ratios"] or {}).items()]
    if step["pruning_ratio"] is not None:
        parts = [f"{_percent(step['pruning_ratio'])} of every layer's channels removed", *parts]
    elif step["target_macs"] is not None:
        parts = [f"channels removed until {_percent(step['target_macs'])} of the MACs are left", *parts]
    else:
        parts = [f"channels removed: {', '.join(parts)}"]
    return ", ".join(parts) + ("" if step["allocation"] == "uniform" else f", chosen by {step['allocation']}")


def _prune_weights(step: Settings) -> str:
    reconstructed = ", the others reconstructed" if step["reconstruct"] else ""
    return f"{_percent(step['sparsity'])} of the weights set to zero by {step['importance']}{reconstructed}"


def _quantize(step: Settings) -> str:
    if step["precision"] == "fp16":
        return "rounded to fp16"
    kept = f", {', '.join(step['keep_float'])} left in float" if step["keep_float"] else ""
    learnt = "" if step["qat"] is None else f", trained {step['qat']['schedule']['steps']} steps with its rounding"
    return f"rounded to int8{kept}{learnt}"


def _cluster_weights(step: Settings) -> str:
    fitted = ", fitted to what layers give" if step["reconstruct"] else ""
    return f"weights of a layer sharing {2 ** step['bits']} values ({step['bits']} bits){fitted}"


def _distill(step: Settings) -> str:
    return f"trained {step['schedule']['steps']} steps on the teacher's maps"


def _fit_heads(step: Settings) -> str:
    return "its last layers fitted to the teacher's maps"


def _load_model(step: Settings) -> str:
    return f"{step['model']} in its place"


_WORDS: Mapping[str, Callable[[Settings], str]] = {
    "load_model": _load_model,
    "remove_stages": _remove_stages,
    "swap_backbone": _swap_backbone,
    "replace_stages": _replace_stages,
    "prune_channels": _prune_channels,
    "prune_weights": _prune_weights,
    "cluster_weights": _cluster_weights,
    "distill": _distill,
    "fit_heads": _fit_heads,
    "quantize": _quantize,
}
"""A step that is not here is told by its settings."""
