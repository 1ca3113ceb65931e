"""`compress` and `python -m compress`."""

import sys


def main() -> int:
    """The command line; the exit code is 0 done, 1 something failed, 2 the call or the recipe is wrong."""
    # Before numpy or torch allocate anything: how freed memory is kept decides the speed of every forward pass.
    from eval.allocation import keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()
    from compress.cli.main import run_command  # noqa: PLC0415

    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
