"""The pages hold together: an index of all, links that lead somewhere, a beginning and an end."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from .pages import INDEX, PAGES, ROOT, WITH_LINKS, anchors, links

# About what people scroll through in one go.
LONGEST = 220
PAGE_IDS = [path.name for path in PAGES]


@pytest.mark.parametrize("path", WITH_LINKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading in it."""
    wrong = []
    for link in links(path):
        name, _, anchor = link.partition("#")
        if ":" in name:
            continue  # another site's
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_the_index_has_every_page_once() -> None:
    """On a line of its own; and the README leads to the index."""
    listed = re.findall(r"^- \[[^\]]+\]\(([\w-]+\.md)\): \S", INDEX.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == [path.name for path in PAGES]
    assert "(docs/README.md)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", [INDEX, *PAGES], ids=["README.md", *PAGE_IDS])
def test_a_page_begins_with_what_it_answers_and_ends_with_where_to_go(path: Path) -> None:
    """And is not longer than what people read."""
    paragraphs = re.split(r"\n\n+", re.sub(r"<!--.*?-->\n*", "", path.read_text("utf-8")).strip())
    assert paragraphs[0].startswith("# ")
    assert paragraphs[1].startswith("**Answers:** ")
    assert paragraphs[1].endswith("?")
    assert paragraphs[-1].startswith("**Next:** ")
    assert re.search(r"\]\([\w./#-]+\)", paragraphs[-1])
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_the_readme_is_short() -> None:
    """What is longer has a page. Half of it is the table of limits, the tree of tasks and three examples."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 400


# Of the first column of the table, what other programs say: the shell and pip.
OTHERS = {"trio-backend: command not found", "no such option: --python", "requires a different Python"}


@cache
def said() -> str:
    """All texts in the program and its page, as they are when they are put together."""
    texts = [
        node.value
        for path in sorted((ROOT / "trio_backend").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [path.read_text("utf-8") for path in sorted((ROOT / "trio_backend" / "web").rglob("*.js"))]
    return "\0".join(texts)


def messages() -> list[str]:
    """The messages that the page of the first hour explains."""
    page = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
    _, _, table = page.partition("| what you see |")
    found = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return [message for cell in found for message in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("message", messages())
def test_messages_that_are_explained_exist(message: str) -> None:
    """As they are written. What differs from case to case is ``…``, or a port or an address."""
    if message in OTHERS:
        return
    parts = re.split(r"…|127\.0\.0\.1|\b12393\b", message)
    long = [part.strip() for part in parts if len(part.strip()) >= 8]
    assert long
    assert [part for part in long if part not in said()] == []
