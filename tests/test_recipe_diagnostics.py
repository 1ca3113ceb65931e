"""A table of bad recipes and the one line that each gets: where, what was found, what would do."""

import os

import pytest
from compress_recipe_text import GOOD, changed, mistakes

BAD = {
    "unknown key": (changed("images: 4", "image: 4"), "x.yaml:4 data.image: unknown key (did you mean images?)"),
    "key of the root": (
        GOOD + "xyz: 1\n",
        "x.yaml:17 xyz: unknown key (there is: teacher, data, scales, candidates, inference, training, "
        "measure, objectives, goals, tracking, search)",
    ),
    "key of a step": (
        changed("stages: {each: [5, 4]}", "stages: 1\n        stage: 1"),
        "x.yaml:12 candidates.0.steps.0.stage: unknown key (did you mean stages?)",
    ),
    "misspelt step": (
        changed("remove_stages", "remove_stage"),
        "x.yaml:10 candidates.0.steps.0.step: no step is called 'remove_stage' (did you mean remove_stages?)",
    ),
    "misspelt objective": (
        changed("latency_ms", "latency_sm"),
        "x.yaml:16 objectives.0: expected one of the names there are, got 'latency_sm' (did you mean latency_ms?)",
    ),
    "misspelt teacher": (
        changed("-thin", "-thn"),
        "x.yaml:1 teacher: no teacher is called 'openpose-mobilenet-thn' (did you mean openpose-mobilenet-thin?), "
        "and there is no such folder",
    ),
    "misspelt sample": (
        changed("sports2d-demo", "sport2d-demo"),
        "x.yaml:3 data.source: no file, folder or sample is called 'sport2d-demo' (did you mean sports2d-demo?)",
    ),
    "misspelt runtime": (
        changed("runtime: onnxruntime", "runtime: onxruntime"),
        "x.yaml:14 measure.latency.runtime: expected one of the names there are, got 'onxruntime' "
        "(did you mean onnxruntime?)",
    ),
    "keep 0": (changed("{each: [5, 4]}", "0"), "x.yaml:11 candidates.0.steps.0.stages: must be at least 1, got 0"),
    "keep 7": (
        changed("{each: [5, 4]}", "7"),
        "x.yaml:11 candidates.0.steps.0.stages: must lie in 1..6, the stages there are, got 7",
    ),
    "keep in each": (
        changed("[5, 4]", "[5, 7]"),
        "x.yaml:11 candidates.0.steps.0.stages.each.1: must lie in 1..6, the stages there are, got 7",
    ),
    "second step": (
        changed("{each: [5, 4]}", "3\n      - {step: remove_stages, stages: 5}").replace("-{stages}", ""),
        "x.yaml:12 candidates.0.steps.1.stages: must lie in 1..3, the stages there are, got 5",
    ),
    "each is empty": (
        changed("[5, 4]", "[]"),
        "x.yaml:11 candidates.0.steps.0.stages.each: expected a list of values, one candidate for each, "
        "got an empty list",
    ),
    "each is no list": (
        changed("[5, 4]", "5"),
        "x.yaml:11 candidates.0.steps.0.stages.each: expected a list of values, one candidate for each, got 5",
    ),
    "each holds a value twice": (
        changed("[5, 4]", "[5, 4, 5]"),
        "x.yaml:11 candidates.0.steps.0.stages.each.2: 5 is there twice, first at position 0",
    ),
    "each has company": (
        changed("[5, 4]}", "[5, 4], or: 3}"),
        "x.yaml:11 candidates.0.steps.0.stages.or: `each` stands alone, nothing beside it",
    ),
    "text for a number": (
        changed("images: 4", "images: abc"),
        "x.yaml:4 data.images: expected a whole number, got 'abc'",
    ),
    "quoted number": (changed("images: 4", "images: '4'"), "x.yaml:4 data.images: expected a whole number, got '4'"),
    "float": (
        changed("images: 4", "images: 1e2"),
        "x.yaml:4 data.images: expected a whole number, got 100.0; write 100",
    ),
    "bool for a number": (
        changed("images: 4", "images: true"),
        "x.yaml:4 data.images: expected a whole number, got true",
    ),
    "nothing for a number": (
        changed("images: 4", "images:"),
        "x.yaml:4 data.images: expected a whole number, got nothing",
    ),
    "octal of YAML 1.1": (
        changed("images: 4", "images: 010"),
        "x.yaml:4 data.images: expected a whole number, got '010'",
    ),
    "number for a bool": (
        changed("fidelity: true", "fidelity: 1"),
        "x.yaml:13 measure.fidelity: expected true or false, got 1",
    ),
    "number for text": (changed("sports2d-demo", "3"), "x.yaml:3 data.source: expected text, got 3"),
    "no text": (changed("sports2d-demo", "''"), "x.yaml:3 data.source: must not be empty, got ''"),
    "no images": (changed("images: 4", "images: 0"), "x.yaml:4 data.images: must be at least 1, got 0"),
    "negative seed": (changed("seed: 0", "seed: -1"), "x.yaml:5 data.seed: must be at least 0, got -1"),
    "latency is true": (
        changed("{runtime: onnxruntime, threads: 1, rounds: 12}", "true"),
        "x.yaml:14 measure.latency: expected a mapping of settings ({} for the defaults), got true",
    ),
    "few rounds": (changed("rounds: 12", "rounds: 2"), "x.yaml:14 measure.latency.rounds: must be at least 3, got 2"),
    "many threads": (
        changed("threads: 1", "threads: 4000"),
        f"x.yaml:14 measure.latency.threads: must be at most {4 * (os.cpu_count() or 1)}, "
        "four times the CPUs of this machine, got 4000",
    ),
    "scales empty": (changed("[0.5, 1]", "[]"), "x.yaml:6 scales: must hold at least 1, got 0"),
    "scales no list": (changed("[0.5, 1]", "1"), "x.yaml:6 scales: expected a list, got 1"),
    "scale negative": (changed("[0.5, 1]", "[-0.5]"), "x.yaml:6 scales.0: must be more than 0, got -0.5"),
    "scale zero": (changed("[0.5, 1]", "[0]"), "x.yaml:6 scales.0: must be more than 0, got 0"),
    "scale huge": (changed("[0.5, 1]", "[1e9]"), "x.yaml:6 scales.0: must be at most 8, got 1000000000.0"),
    "scale nan": (changed("[0.5, 1]", "[.nan]"), "x.yaml:6 scales.0: must be a finite number, got .nan"),
    "scale inf": (changed("[0.5, 1]", "[1, .inf]"), "x.yaml:6 scales.1: must be a finite number, got .inf"),
    "scale bool": (changed("[0.5, 1]", "[true]"), "x.yaml:6 scales.0: expected a number, got true"),
    "scale text": (changed("[0.5, 1]", "['1']"), "x.yaml:6 scales.0: expected a number, got '1'"),
    "scale twice": (changed("[0.5, 1]", "[1, 1.0]"), "x.yaml:6 scales.1: 1.0 is there twice, first at scales.0"),
    "nine scales": (
        changed("[0.5, 1]", "[1, 2, 3, 4, 5, 6, 7, 8, 0.5]"),
        "x.yaml:6 scales: must hold at most 8, got 9",
    ),
    "objective twice": (
        changed("joint_rel_l2", "latency_ms"),
        "x.yaml:16 objectives.1: 'latency_ms' is there twice, first at objectives.0",
    ),
    "objective switched off": (
        changed("{runtime: onnxruntime, threads: 1, rounds: 12}", "false"),
        "x.yaml:16 objectives.0: latency_ms is not measured, because measure.latency is false",
    ),
    "name of the teacher": (
        changed("stages-{stages}", "Teacher").replace("{each: [5, 4]}", "5"),
        "x.yaml:8 candidates.0.name: is kept for the teacher's own row, got 'Teacher'",
    ),
    "name that climbs out": (
        changed("stages-{stages}", "../{stages}"),
        "x.yaml:8 candidates.0.name: must be 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first, "
        "got '../5'",
    ),
    "name is a number": (
        changed("stages-{stages}", "5").replace("{each: [5, 4]}", "5"),
        "x.yaml:8 candidates.0.name: expected text, got 5",
    ),
    "name of several": (
        changed("stages-{stages}", "few"),
        "x.yaml:8 candidates.0.name: several candidates would be called 'few'; put {stages} into the name",
    ),
    "name of an unknown setting": (
        changed("stages-{stages}", "stages-{stage}"),
        "x.yaml:8 candidates.0.name: no step has a setting {stage} (did you mean stages?)",
    ),
    "name of two settings": (
        changed("[5, 4]}", "[5, 4]}\n      - {step: remove_stages, stages: {each: [3, 2]}}"),
        "x.yaml:8 candidates.0.name: {stages} could be that of steps.0 and steps.1; "
        "leave the name out to have one made",
    ),
    "names alike": (
        changed("measure:", "  - {name: STAGES-5, steps: [{step: remove_stages, stages: 5}]}\nmeasure:"),
        "x.yaml:12 candidates.1.name: candidates.0 is called 'stages-5' already",
    ),
    "no candidates": (
        "teacher: openpose-mobilenet-thin\ndata: {source: sports2d-demo}\ncandidates: []\n",
        "x.yaml:3 candidates: must hold at least 1, got 0",
    ),
    "candidates missing": (
        "# a comment\nteacher: openpose-mobilenet-thin\ndata: {source: sports2d-demo}\n",
        "x.yaml:2 candidates: must be given",
    ),
    "no steps": (
        "teacher: openpose-mobilenet-thin\ndata: {source: sports2d-demo}\ncandidates:\n  - steps: []\n",
        "x.yaml:4 candidates.0.steps: needs at least one step, or an `inference` beside it",
    ),
    "a step is a word": (
        "teacher: openpose-mobilenet-thin\ndata: {source: sports2d-demo}\ncandidates:\n  - steps: [remove_stages]\n",
        "x.yaml:4 candidates.0.steps.0: expected a mapping of settings ({} for the defaults), got 'remove_stages'",
    ),
    "written twice": (
        changed("  seed: 0", "  seed: 0\n  seed: 1"),
        "x.yaml:6 data.seed: written twice, on line 5 and on line 6",
    ),
    "merge key": (
        changed("  seed: 0", "  <<: {seed: 1}"),
        "x.yaml:5 data.'<<': unknown key (there is: source, images, seed, show_frames)",
    ),
    "python tag": (
        changed("sports2d-demo", "!!python/object/apply:os.system [id]"),
        "x.yaml:3 data.source: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed, "
        "write the value plainly",
    ),
    "tag that lies": (
        changed("images: 4", "images: !!int four"),
        "x.yaml:4 data.images: the tag tag:yaml.org,2002:int does not fit 'four', write the value plainly",
    ),
    "key is a list": (GOOD + "? [a]\n: 1\n", "x.yaml:1: a key must be a word, not a list or a mapping"),
    "too many combinations": (
        changed("[5, 4]}", "[1, 2, 3, 4, 5]}" + 4 * "\n      - {step: remove_stages, stages: {each: [1, 2, 3, 4, 5]}}")
        .replace("name: stages-{stages}\n    ", ""),
        "x.yaml:8 candidates.0: makes 3125 candidates, together with those before; at most 1000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_recipe_says_where_and_what_would_do(case: str) -> None:
    text, expected = BAD[case]
    assert mistakes(text) == [expected]
