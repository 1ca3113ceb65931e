"""compress teachers train RECIPE [--out DIR] [--set PATH=VALUE]... [--fresh]"""

import argparse
from pathlib import Path

from compress.cli.recipe_options import add_out, add_recipe
from compress.common.progress import Reporter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(
        parser,
        "a YAML recipe, for instance recipes/teacher_train.yaml",
        name="teacher_recipe",
        example="schedule.batch_size=16",
    )
    add_out(parser, "an earlier training", "the folder that becomes the MODEL (default: runs/ and the recipe's name)")


def call(options: argparse.Namespace) -> int:
    """Trains, or reports that it is done already."""
    # Here, because torch takes seconds to import and `compress teachers list` need not wait for it.
    from compress.cli.next_commands import next_commands  # noqa: PLC0415
    from compress.common.run_folder import default_out  # noqa: PLC0415
    from compress.teacher_training.recipe import load_teacher_recipe  # noqa: PLC0415
    from compress.teacher_training.train import TeacherCall, train_teacher  # noqa: PLC0415
    from teachers.checkpoint import load_spec  # noqa: PLC0415

    recipe = load_teacher_recipe(options.teacher_recipe, options.set)
    out: Path = options.out or default_out(options.teacher_recipe, options.set)
    trained = train_teacher(TeacherCall(recipe, out, options.fresh), Reporter())
    if not trained.speaks:
        return 0
    facts = trained.facts
    best = facts["best"]
    if trained.already:
        print(f"{out}: trained already; --fresh would begin anew")
    images, apart = facts["images"], f"joints {best['joint_rel_l2']:.3f}, PAFs {best['paf_rel_l2']:.3f}"
    print(f"{out}: {facts['steps']} steps on {images['train']} images, best after {facts['best_step']}")
    print(f"relative L2 from the labels' maps, {images['held_out']} held-out images: {apart}")
    spec = load_spec(out)
    for line in next_commands(out, len(spec.stages), "vgg" in spec.backbone.name):
        print(line)
    return 0
