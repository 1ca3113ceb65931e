"""compress models list | add"""

import argparse

from compress.cli.paths import a_path
from compress.common.formatting import columns
from compress.run.shipped_models import ZOO, shipped_models
from teachers.common.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every model that is shipped, its size, and what it is; each name is a MODEL")
    add = actions.add_parser("add", help="make a folder of the zoo of a candidate: artefacts, packed file, card")
    add.add_argument("candidate", metavar="CANDIDATE", type=a_path, help="a candidate's folder, RUN/candidates/NAME")
    add.add_argument("--name", required=True, help="its name as a MODEL, e.g. pose-fast")
    add.add_argument(
        "--float", metavar="CANDIDATE", type=a_path, help="its twin in fp32, whose artefact lies beside it"
    )
    add.add_argument(
        "--curves",
        metavar=("OURS", "REFERENCE"),
        nargs=2,
        type=a_path,
        help="two folders that `compress kinematics` left, for a picture of the knee's curve",
    )
    add.add_argument("--trained-on", metavar="TEXT", help="what it learnt from, with licences, for the card")
    add.add_argument("--zoo", metavar="DIR", type=a_path, default=ZOO, help="(default: the checkout's zoo/)")
    add.add_argument("--replace", action="store_true", help="take the place of a model of that name")


def call(options: argparse.Namespace) -> int:
    """Lists them, or adds one."""
    if options.action == "add":
        return _add(options)
    models = shipped_models()
    if not models:
        raise UserError(f"{ZOO}: there is no shipped model; a checkout of the project holds them")
    rows = [("name", "MB", "what it is")]
    rows += [(one.name, f"{one.artefact.stat().st_size / 1e6:.2f}", one.summary) for one in models.values()]
    print(columns(rows))
    return 0


def _add(options: argparse.Namespace) -> int:
    from compress.api.add_model import NewModel, add_model  # noqa: PLC0415 - imports torch, which `list` needs not

    curves = None if options.curves is None else (options.curves[0], options.curves[1])
    made = add_model(
        NewModel(options.name, options.candidate, options.float, curves, options.trained_on),
        options.zoo,
        options.replace,
    )
    for path in sorted(made.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0
