"""The `lut-fuse` command: one file per subcommand, found here by name."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys

from lut_fuse_core import __version__
from lut_fuse_core.errors import InputError, LutFuseError, describe

SUBCOMMANDS = ("demo", "fuse", "bag", "evaluate", "bench", "backends", "model", "calibrate")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; each module in this package adds its own."""
    parser = argparse.ArgumentParser(
        prog="lut-fuse",
        description="Fuse visible and infrared (thermal) images with a distilled look-up table.",
        epilog="'lut-fuse demo' shows it at work on a made-up scene; each subcommand has --help.",
    )
    parser.add_argument("--version", action="version", version=f"lut-fuse {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        importlib.import_module(f"lut_fuse_core.cli.{name}").add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, 1 for a failure, 2 for bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        options = build_parser().parse_args(arguments)
        status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"lut-fuse: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough; nothing may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except LutFuseError as error:
        print(f"lut-fuse: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"lut-fuse: {describe(error)}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"lut-fuse: no memory left ({error}); take smaller images", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lut-fuse: interrupted", file=sys.stderr)
        return 130
