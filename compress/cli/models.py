"""compress models list"""

import argparse

from compress.common.formatting import columns
from compress.run.shipped_models import ZOO, shipped_models
from teachers.common.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every model that is shipped, its size, and what it is; each name is a MODEL")


def call(options: argparse.Namespace) -> int:
    """Lists them."""
    del options  # there is one action
    models = shipped_models()
    if not models:
        raise UserError(f"{ZOO}: there is no shipped model; a checkout of the project holds them")
    rows = [("name", "MB", "what it is")]
    rows += [(one.name, f"{one.artefact.stat().st_size / 1e6:.2f}", one.summary) for one in models.values()]
    print(columns(rows))
    return 0
