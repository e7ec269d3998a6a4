"""What the pages tell people to type and to follow exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lut_fuse_core.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [*PAGES, *sorted((ROOT / "docs" / "development").rglob("*.md"))]


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


def links(page: Path) -> list[tuple[Path, str]]:
    """Pages, files and folders that a page links to, and the heading within, if one is named."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s:]*?)(?:#([^)\s]*))?\)", text)
    return [((page.parent / target).resolve() if target else page, name) for target, name in found]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_lead_somewhere(page: Path) -> None:
    for target, heading in links(page):
        assert target.exists(), target
        assert not heading or heading in anchors(target), f"{target}#{heading}"


def test_every_page_is_two_clicks_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    for _ in range(2):
        folders = {each / "README.md" for each in reached if each.is_dir()}
        pages = {each for each in reached | folders if each.suffix == ".md" and each.exists()}
        reached |= {target for page in pages for target, _ in links(page)}
    assert set(ALL_PAGES) <= reached


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_opens_with_what_it_is_for(page: Path) -> None:
    """A title, then a sentence, before any list, table, picture or block of code."""
    title, blank, first = page.read_text(encoding="utf-8").splitlines()[:3]
    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"[\w*`]", first), first


def test_the_readme_shows_commands() -> None:
    assert len(commands(ROOT / "README.md")) >= 8


def test_all_places_that_state_the_version_agree() -> None:
    from lut_fuse_core import __version__

    package = (ROOT / "package.xml").read_text(encoding="utf-8")
    assert f"<version>{__version__}</version>" in package
