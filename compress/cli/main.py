"""The command line: one file in compress/cli for each subcommand, and what every error turns into."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from types import ModuleType

from compress.cli.paths import a_path
from compress.common.display import LEVELS, Shown, shown
from compress.common.failure import failure, goes_on, say
from teachers.common.errors import UserError

# name -> (module under compress.cli, one line of help). A module is imported only when its command is called,
# so that `compress check` does not wait for torch.
_COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "run a recipe; a second call goes on where the first stopped"),
    "search": ("search", "vary a recipe and look for the best trade-offs; any number of machines on one storage"),
    "check": ("check", "list all mistakes of a recipe, without running it"),
    "lr-find": ("lr_find", "train a few steps at rising learning rates and draw the loss, to choose learning_rate"),
    "pack-photos": ("pack_photos", "all photographs of a recipe's training as one file, for a machine with a GPU"),
    "report": ("report", "draw the report of finished runs again, or of several in one"),
    "teachers": ("teachers", "list teachers and samples, pull or import one, or train one's own"),
    "models": ("models", "list the models that are shipped; their names are a MODEL as teachers' are"),
    "data": ("data", "pull a public data set, or choose training frames of your own videos"),
    "predict": ("predict", "find the people of images: OpenPose JSON, overlay, maps"),
    "kinematics": ("kinematics", "joint angles and angular velocities from a video"),
    "pack": ("pack", "store a model in one small file; it downloads faster, it does not run faster"),
    "unpack": ("unpack", "make a model's folder of a packed file"),
    "export": ("export", "convert a model to another runtime's format, and prove it equal"),
    "bench": ("bench", "time artefacts; also runs alone where only a runtime is installed"),
}


def run_command(arguments: Sequence[str]) -> int:
    """Parses and runs; returns the exit code and prints no traceback for a user's mistake."""
    options: argparse.Namespace | None = None
    command: ModuleType | None = None
    _take_any_text(sys.stdout, sys.stderr)

    def read() -> int:
        nonlocal options, command
        # Before torch, which would import it from C and take a Ctrl-C in the middle of that for a broken NumPy.
        importlib.import_module("numpy")
        options, command = parse(arguments)
        with shown(Shown(options.log_level, options.log_file)):
            pass  # a log that cannot be written is told before anything runs
        return 0

    with shown():
        code = _guarded(arguments, read)
    if code or options is None or command is None:
        return code
    call: Callable[[argparse.Namespace], int] = command.call
    with shown(Shown(options.log_level, options.log_file)):
        return _guarded(arguments, lambda: call(options))


def _take_any_text(*streams: object) -> None:
    """What a terminal's encoding lacks is shown as an escape: a name of a folder ends no run."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _guarded(arguments: Sequence[str], work: Callable[[], int]) -> int:
    try:
        code = work()
        print(end="", flush=True)  # a full disk or a reader that left is told here, not at the interpreter's end
    except KeyboardInterrupt:
        return say(f"stopped{goes_on(arguments)}", 130)
    except BrokenPipeError:
        # The reader of our output left. The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (UserError, OSError) as error:
        return failure(error, arguments)
    return code


def _add_log_arguments(parser: argparse.ArgumentParser) -> None:
    log = parser.add_argument_group("log")
    log.add_argument("--log-level", choices=LEVELS, default="info", help="what is shown (default: info)")
    log.add_argument("--log-file", metavar="FILE", type=a_path, help="also append what is told to this file")


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, ModuleType]:
    """The options of a command line and the module of its command; only that one is imported. SystemExit if wrong."""
    parser = argparse.ArgumentParser(
        prog="compress", description="Finds the small human-pose networks worth shipping in place of a heavy one."
    )
    parser.add_argument("--version", action="version", version=f"compress {version('pose-compress')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    modules: dict[str, ModuleType] = {}
    for name, (module, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            modules[name] = importlib.import_module(f"compress.cli.{module}")
            modules[name].add_arguments(command)
            _add_log_arguments(command)
    options = parser.parse_args(arguments)
    return options, modules[options.command]
