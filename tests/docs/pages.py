"""The Markdown pages as data: their blocks of code, what is said right above a block, links and headings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "README.md"
# The pages of docs/, in the order of their names, without the index.
PAGES = tuple(path for path in sorted((ROOT / "docs").glob("*.md")) if path != INDEX)
WITH_CODE = (ROOT / "README.md", INDEX, *PAGES, ROOT / "SECURITY.md")
WITH_LINKS = (*WITH_CODE, ROOT / "CHANGELOG.md", *sorted((ROOT / "benchmarks").glob("*.md")))

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\S*)\s*")
_COMMENT = re.compile(r" *<!-- (?P<key>[a-z ]+): (?P<value>.+) -->")
_INLINE_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^)\s]+)\)|<img\b[^>]*\bsrc=\"([^\"]+)\"")
_HEADING = re.compile(r"#{1,6} (.+)")


@attrs.frozen
class Block:
    """A block of code, where it stands, and what the comments right above it say: ``<!-- KEY: VALUE -->``.

    ``not run``: why a test does not run it. ``file``: under which name it is saved, for the page's commands.
    ``needs``: a program that not every machine has. ``run in``: the folder, if it is the running server's.
    ``in folder``: another one's name. ``with a token``: the page has said before that one is to be set.
    """

    page: str
    line: int
    language: str
    text: str
    notes: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of the page ``path``, in their order. A block that is not closed ends with the page."""
    lines = path.read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        if fence is None:
            at += 1
            continue
        end = next(
            (number for number in range(at + 1, len(lines)) if lines[number].strip() == "```"), len(lines)
        )
        text = textwrap.dedent("\n".join(lines[at + 1 : end])) + "\n"
        page = path.relative_to(ROOT).as_posix()
        yield Block(page, at + 1, fence["language"], text, _notes_above(lines, at))
        at = end + 1


def _notes_above(lines: Sequence[str], at: int) -> Mapping[str, str]:
    notes = {}
    while at and (comment := _COMMENT.fullmatch(lines[at - 1])):
        notes[comment["key"]] = comment["value"]
        at -= 1
    return notes


def all_blocks() -> list[Block]:
    """Those of every page."""
    return [block for path in WITH_CODE for block in blocks(path)]


def prose(path: Path) -> str:
    """The page without its blocks of code."""
    lines, inside = [], False
    for line in path.read_text("utf-8").splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def inline_code(path: Path) -> list[str]:
    """What stands in backticks within sentences and tables, on one line each."""
    return [" ".join(found[2].split()) for found in _INLINE_CODE.finditer(prose(path))]


def links(path: Path) -> list[str]:
    """The targets of the page's links and pictures."""
    text = _INLINE_CODE.sub("", prose(path))
    return [found[1] or found[2] for found in _LINK.finditer(text)]


def anchors(path: Path) -> set[str]:
    """The names by which a code host lets links point at the page's headings."""
    found: set[str] = set()
    for line in prose(path).splitlines():
        if heading := _HEADING.fullmatch(line):
            slug = "".join(
                letter
                for letter in heading[1].lower().replace("`", "")
                if letter.isalnum() or letter in " -_"
            ).replace(" ", "-")
            # The second heading of the same words gets a number.
            again = sum(1 for each in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", each))
            found.add(f"{slug}-{again}" if again else slug)
    return found
