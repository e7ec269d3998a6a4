"""The `lut-fuse` command: one file per subcommand, found here by name."""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import signal
import sys

from lut_fuse_core import __version__
from lut_fuse_core.cli.extras import missing_package
from lut_fuse_core.errors import LutFuseError, end_with
from lut_fuse_core.parallel.heap import keep_freed_memory

SUBCOMMANDS = {
    "demo": "fuse a synthetic night street and show the result",
    "fuse": "fuse images, folders of images or videos",
    "bag": "fuse a rosbag2 into a new one",
    "batch": "fuse many bags, videos and folders; resumes, keeps a manifest and an HTML page",
    "export": "fuse recordings into data sets: COCO, YOLO, WebDataset, LeRobot",
    "view": "show visible, infrared, fused and diagnostics along time in Rerun",
    "evaluate": "measure fusion quality on a folder of pairs; table, JSON, HTML page",
    "bench": "measure milliseconds per frame on this machine",
    "backends": "list the ways to run a model and which of them work here",
    "model": "show, import and export model files",
    "calibrate": "find where infrared lies in the visible image",
}
"""Module of each subcommand in this package, with its line in `lut-fuse --help`."""


def build_parser(command: str) -> argparse.ArgumentParser:
    """The parser of `lut-fuse`.

    Args:
        command: The subcommand that is called. Only its module is imported: others take time, and
            may need packages that are not installed.
    """
    parser = argparse.ArgumentParser(
        prog="lut-fuse",
        description="Fuse visible and infrared (thermal) images with a distilled look-up table.",
        epilog="'lut-fuse demo' shows it at work on a synthetic scene; each subcommand has --help.",
    )
    parser.add_argument("--version", action="version", version=f"lut-fuse {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in SUBCOMMANDS.items():
        if name == command:
            importlib.import_module(f"lut_fuse_core.cli.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run `lut-fuse`; errors are one sentence on stderr.

    Args:
        arguments: The words after the program's name; None for those of this process.

    Returns:
        The exit status: 0; 1 for a failure, or input that could be used in part only; 2 for bad
        input; 130 after Ctrl-C, 141 where nobody reads the output any more.

    Raises:
        SystemExit: After ``--help`` and ``--version`` (status 0), and for options that do not exist
            (status 2).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid text
    # NumPy's BLAS starts a thread for each core, which look for work for a while; there is none.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        command = next((word for word in arguments if not word.startswith("-")), "")
        gc.disable()  # for as long as much is imported, which is not garbage
        try:
            options = build_parser(command).parse_args(arguments)
        finally:
            gc.enable()
        keep_freed_memory()
        gc.freeze()  # what was imported stays, and need not be looked through again
        status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as error:
        print(f"lut-fuse: {missing_package(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output (head, less) has closed it; nothing may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (LutFuseError, OSError) as error:
        return end_with("lut-fuse", error)
    except MemoryError as error:
        print(f"lut-fuse: no memory left ({error}); take smaller images", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lut-fuse: interrupted", file=sys.stderr)
        return 130
