"""YAML text -> plain data and the line of every path, safely; plain data -> YAML text.

Only plain values are read (text, numbers, true/false, null, lists, mappings), by the words of YAML 1.2's core: `1e-4`
is a number, `010`, `1:30`, `no` and `2026-01-01` are text. YAML 1.1, PyYAML's default, surprises with each of these.
Size, number of values and depth are limited before anything is built, so a YAML bomb costs next to nothing.
"""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # a PyYAML built without libyaml: about ten times slower, otherwise the same
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

Keys = tuple[str | int, ...]
"""A path into plain data: keys of mappings and positions in lists."""

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 24

_TAG = "tag:yaml.org,2002:"
_WORDS = {
    "bool": re.compile(r"(true|True|TRUE|false|False|FALSE)$"),
    "null": re.compile(r"(~|null|Null|NULL|)$"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]{0,299})$"),
    "float": re.compile(
        r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
    ),
}


class _Loader(_Base):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # the stubs call it an instance variable


class _Dumper(yaml.SafeDumper):
    """Knows the words of YAML 1.1 and of 1.2, so that text which either would take for a number is quoted."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Unicode's own line breaks survive in double quotes only.
    return dumper.represent_scalar(_TAG + "str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)
for _name, _pattern in _WORDS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, _pattern, None)


class YamlError(ValueError):
    """The text as a whole cannot be used; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(frozen=True)
class YamlSource:
    """Plain data, where each of its paths stands, and what is wrong with single values."""

    data: Any
    lines: dict[Keys, int]
    """In document order; an entry of a mapping stands where its key stands."""
    problems: list[tuple[Keys, str]]


def parse_yaml(text: str) -> YamlSource:
    """Reads one document; YamlError where there is none, a syntax error or too much of something."""
    if len(text) > MAX_BYTES:
        raise YamlError(1, f"longer than the {MAX_BYTES:,} characters that are read")
    try:
        _guard(text)
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            _measure(root, {})
    except yaml.MarkedYAMLError as error:
        raise _syntax_problem(text, error) from error
    except yaml.YAMLError as error:
        raise YamlError(1, f"not YAML: {' '.join(str(error).split())}") from error
    reading = _Reading()
    data = reading.value(root, ()) if root is not None else None
    return YamlSource(data, reading.lines, reading.problems)


def dump_yaml(data: Any) -> str:
    """YAML that `parse_yaml` reads back to equal data; keys keep their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _guard(text: str) -> None:
    """Counts values and depth on the stream of events, which needs neither recursion nor memory."""
    values = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        values += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        _limit(values, depth, event.start_mark)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Values and depth with every alias written out, found without writing any: each node is visited once.

    An alias comes after what it names, so it is known by then, or it stands inside: then it is None.
    """
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise YamlError(node.start_mark.line + 1, "an alias (*name) holds itself")
        return found
    known[id(node)] = None
    inside: list[yaml.Node] = [] if isinstance(node, yaml.ScalarNode) else list(node.value)
    if isinstance(node, yaml.MappingNode):
        inside = [part for pair in node.value for part in pair]
    measured = [_measure(part, known) for part in inside]
    values = 1 + sum(count for count, _ in measured)
    depth = 0 if isinstance(node, yaml.ScalarNode) else 1 + max((deep for _, deep in measured), default=0)
    _limit(values, depth, node.start_mark)
    known[id(node)] = values, depth
    return values, depth


def _limit(values: int, depth: int, mark: Any) -> None:
    if values > MAX_VALUES:
        raise YamlError(mark.line + 1, f"more than {MAX_VALUES:,} values, counting each use of an alias (*name)")
    if depth > MAX_DEPTH:
        raise YamlError(mark.line + 1, f"nested more than {MAX_DEPTH} deep")


def _syntax_problem(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    index = mark.line if mark is not None else 0
    if error.problem is not None and "nesting depth" in error.problem:  # newer libyaml stops before we count
        return YamlError(index + 1, f"nested more than {MAX_DEPTH} deep")
    lines = text.split("\n")
    at = lines[index] if index < len(lines) else ""
    indent = at[: len(at) - len(at.lstrip())]
    message = ", ".join(part for part in (error.context, error.problem) if part)
    hint = "; the line is indented with a tab, YAML wants spaces" if "\t" in indent else ""
    return YamlError(index + 1, f"not YAML: {message}{hint}")


@dataclass
class _Reading:
    """Nodes -> plain data. Aliases are written out; `_measure` has seen to it that this stays small."""

    lines: dict[Keys, int] = field(default_factory=dict)
    problems: list[tuple[Keys, str]] = field(default_factory=list)

    def value(self, node: yaml.Node, keys: Keys) -> Any:
        self.lines.setdefault(keys, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        if node.tag not in (_TAG + "seq", _TAG + "map"):
            self.problems.append((keys, f"the tag {node.tag} is not allowed, write the value plainly"))
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*keys, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, keys)

    def _mapping(self, node: yaml.Node, keys: Keys) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append((keys, "a key must be a word, not a list or a mapping"))
                continue
            name = key.value
            here = (*keys, name)
            if name in data:
                first, line = self.lines.pop(here), key.start_mark.line + 1
                self.lines[here] = line
                self.problems.append((here, f"written twice, on line {first} and on line {line}"))
                continue
            self.lines[here] = key.start_mark.line + 1
            data[name] = self.value(item, here)
        return data

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind in _WORDS and _WORDS[kind].match(text):
            return _plain(kind, text)
        if kind != "str" or not _is_unicode(text):
            self.problems.append((keys, f"the tag {node.tag} does not fit {text[:40]!r}, write the value plainly"))
            return None
        return text


def _plain(kind: str, text: str) -> Any:
    if kind == "bool":
        return text.lower() == "true"
    if kind == "null":
        return None
    # Python says inf and nan where YAML says .inf and .nan.
    return int(text) if kind == "int" else float(re.sub(r"\.(?=[a-zA-Z])", "", text))


def _is_unicode(text: str) -> bool:
    """Half of a surrogate pair, written as an escape, is text that no file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
