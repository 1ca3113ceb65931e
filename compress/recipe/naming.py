"""Names of candidates: `stages-{stages}` filled in from the steps, or made from the steps; unique in any spelling."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.diagnostics import Mistakes, shortened, show
from compress.recipe.grid import Expanded
from compress.steps import STEPS
from teachers.zoo import nearest

_FIELD = re.compile(r"\{([^{}]*)\}")
_LONGEST = 64
_Owner = tuple[str, Expanded]
"""A name in its first spelling and the candidate that has it."""


class TemplateError(ValueError):
    """A name refers to a setting that is not there, or that several steps have."""


def name_all(candidates: Sequence[Expanded], mistakes: Mistakes) -> list[Expanded]:
    """The same candidates, each with a name; two of one name, however spelt, are a mistake."""
    named: list[Expanded] = []
    owners: dict[str, _Owner] = {}
    for candidate in candidates:
        if not isinstance(candidate.data, dict):
            named.append(candidate)
            continue
        name = _name(candidate, owners, mistakes)
        if isinstance(name, str):
            # Some file systems take `A` and `a` for one folder.
            owner = owners.setdefault(name.casefold(), (name, candidate))
            if owner[1] is not candidate:
                mistakes.add(candidate.user_keys(("name",)), _taken(owner, candidate))
        named.append(replace(candidate, data={**candidate.data, "name": name}))
    return named


def _name(candidate: Expanded, owners: Mapping[str, _Owner], mistakes: Mistakes) -> Any:
    written, inference = candidate.data.get("steps"), candidate.data.get("inference")
    steps = written if isinstance(written, list) else []
    if "name" not in candidate.data:
        name = _from_steps(steps, inference)
        return (
            _with_digest(name, steps if inference is None else [steps, inference])
            if name.casefold() in owners
            else name
        )
    name = candidate.data["name"]
    if not isinstance(name, str):
        return name
    try:
        return _FIELD.sub(lambda match: _setting(match[1], steps, candidate), name)
    except TemplateError as error:
        mistakes.add(candidate.user_keys(("name",)), str(error))
        return None


def _taken(owner: _Owner, candidate: Expanded) -> str:
    name, first = owner
    if first.origin != candidate.origin:
        return f"candidates.{first.origin} is called {shortened(name)!r} already"
    setting = next(iter(candidate.choices))[-1]
    return f"several candidates would be called {shortened(name)!r}; put {{{setting}}} into the name"


def _setting(field: str, steps: Sequence[Any], candidate: Expanded) -> str:
    """What stands for `{field}` in a name."""
    # What varies goes before what is fixed, and what is written before what other steps have by default.
    run = dict(_flat(candidate.data.get("inference")))
    places: list[Keys] = [("steps", index) for index in range(len(steps))]
    parts = {place: step for place, step in zip(places, steps, strict=True) if isinstance(step, dict)}
    parts |= {("inference",): run} if run else {}
    varied = [slot[:2] if slot[0] == "steps" else slot[:1] for slot in candidate.choices if slot[-1] == field]
    written = [place for place, part in parts.items() if field in part]
    having = varied or written or [place for place, part in parts.items() if field in _settings(part)]
    if len(having) == 1:
        return _word(_settings(parts[having[0]])[field])
    if having:
        told = " and ".join(".".join(map(str, place)) for place in having)
        raise TemplateError(f"{{{field}}} could be that of {told}; leave the name out to have one made")
    known = [name for part in parts.values() for name in _settings(part)]
    raise TemplateError(f"no step has a setting {{{field}}}{nearest(field, known)}")


def _flat(inference: Any) -> Iterator[tuple[str, Any]]:
    """Every setting of an `inference` by its own name: `size` for roi.size, `scale` for roi.redetect.scale."""
    for name, value in inference.items() if isinstance(inference, dict) else ():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, value


def _settings(step: Any) -> dict[str, Any]:
    """A step's settings as written, and the defaults of those that are not."""
    if not isinstance(step, dict):
        return {}
    kinds = [kind for kind in STEPS if kind.model_fields["step"].default == step.get("step")]
    fields = kinds[0].model_fields if kinds else {}
    defaults = {name: field.get_default() for name, field in fields.items() if not field.is_required()}
    return {**defaults, **step}


def _word(value: Any) -> str:
    if isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        # 256x192 for the sides of a window, 0.5-1 for scales.
        return ("x" if all(type(item) is int for item in value) else "-").join(f"{item:g}" for item in value)
    return value if isinstance(value, str) else show(value)


def _from_steps(steps: Sequence[Any], inference: Any) -> str:
    """`remove_stages-3--quantize-int8`: the steps and what was written in each, as a folder name."""
    settings = [value for step in steps if isinstance(step, dict) for value in step.values()]
    parts = ["-".join(_word(value) for value in step.values()) for step in steps if isinstance(step, dict)]
    if isinstance(inference, dict):
        kind = "roi" if isinstance(inference.get("roi"), dict) else "scale"
        parts.append("-".join((kind, *(_word(value) for _, value in _flat(inference)))))
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", "--".join(parts)).lstrip("._-") or "candidate"
    whole = len(name) <= _LONGEST and not any(isinstance(value, dict | list) for value in settings)
    return name if whole else _with_digest(name, steps if inference is None else [steps, inference])


def _with_digest(name: str, made_of: Any) -> str:
    return f"{name[: _LONGEST - 9]}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:8]}"
