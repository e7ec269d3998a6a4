"""What the pages tell people to type and to follow exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lut_fuse_core.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """Lines of code blocks that call `lut-fuse`, with continued lines joined."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^ {4}(lut-fuse .*)$", text, re.MULTILINE)
    found += re.findall(r"^(lut-fuse .*)$", text, re.MULTILINE)
    return [command for command in found if "..." not in command]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_are_ones_the_parser_takes(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command, comments=True)[1:]
        try:
            build_parser(words[0]).parse_args(words)
        except SystemExit as exit_by_parser:
            if exit_by_parser.code != 0:  # --help ends with 0
                pytest.fail(f"{page.name}: {command}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_shows_commands() -> None:
    assert len(commands(ROOT / "README.md")) >= 8


def test_all_places_that_state_the_version_agree() -> None:
    from lut_fuse_core import __version__

    package = (ROOT / "package.xml").read_text(encoding="utf-8")
    assert f"<version>{__version__}</version>" in package
