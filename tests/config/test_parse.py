"""From a file's bytes to a tree: syntax that is wrong is named by its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.config.diagnostics import Findings, Location
from trio_backend.config.tree import Listing, Node, Table, Values, core_value, overlay
from trio_backend.config.yaml import parse


def plain(node: Node) -> object:
    """``node`` without its places; there is no variable in it."""
    return Values({}, Findings()).of(node)


def parsed(text: str | bytes) -> tuple[object, list[str]]:
    """The values in ``text``, and what was wrong with it."""
    findings = Findings()
    data = text.encode() if isinstance(text, str) else text
    table = parse(data, "a.yaml", findings)
    return (None if table is None else plain(table)), [str(finding) for finding in findings.all]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml: the file is empty; write a character_config: into it"),
        ("# nothing\n", "a.yaml: the file is empty; write a character_config: into it"),
        ("- a\n", "a.yaml:1: the file holds no keys; start with system_config: or character_config:"),
        ("\nhello\n", "a.yaml:2: the file holds no keys; start with system_config: or character_config:"),
        ("a: 1\n\tb: 2\n", "a.yaml:2: the line is indented with a tab; use spaces"),
        (b"a: 1\nb: \xff\n", "a.yaml:2: this line is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: a: stands here for the second time, first in line 1; remove one"),
        (
            "a:\n  b: &x [*x]\n",
            "a.yaml:2: not valid YAML: the alias 'x' stands inside what it is an alias of",
        ),
        ("a: 1\nb: \x01\n", "a.yaml:2: a character that YAML does not allow (number 1); remove it"),
        ("a: 你好，世界\nb: \x01\nc: 1\nd: 2\n", "a.yaml:2: a character that YAML does not allow"),
        ("a: 1\n b: 2\n", "a.yaml:2: not valid YAML: mapping values are not allowed"),
        ("a: 'x\n", "a.yaml:1: the quote that begins here is never closed; close it"),
        ("a: *x\n", "a.yaml:1: not valid YAML: found undefined alias 'x'"),
        ("[a]: 1\n", "a.yaml:1: a key must be plain text"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: not valid YAML: expected a single document"),
        ("[" * 1_000_000, "a.yaml:1: not valid YAML: nested more than 100 levels deep"),
        ("a: " + "[" * 60 + "]" * 60, "a.yaml:1: a" + "[0]" * 50 + ": nested more than 50 levels deep"),
    ],
)
def test_wrong_syntax_is_named_by_its_line(text: str | bytes, said: str) -> None:
    """Each way of breaking a file has an error that says where and what to do."""
    _, findings = parsed(text)

    assert findings[0].startswith(said)


def test_all_repeated_keys_are_named() -> None:
    """The second mistake does not wait until the first is mended."""
    _, findings = parsed("a: 1\na: 2\nb: {c: 1, c: 2}\n")

    assert [finding.split(":")[:3] for finding in findings] == [
        ["a.yaml", "2", " a"],
        ["a.yaml", "3", " b.c"],
    ]


def test_anchors_and_merge_keys_work() -> None:
    """What a mapping writes itself wins over what it merges, and the first source over the second."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd: *a\n"

    values, findings = parsed(text)

    assert findings == []
    assert values == {
        "a": {"x": 1, "y": 1},
        "b": {"y": 2, "z": 2},
        "c": {"x": 3, "y": 1, "z": 2},
        "d": {"x": 1, "y": 1},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True), ("false", False), ("null", None), ("~", None), ("", None), ("no", "no"),
        ("12", 12), ("-1", -1), ("1_000", 1000), ("0x10", 16), ("0o17", 15), ("010", 10), ("1.5", 1.5),
        ("1e3", 1000.0), (".5", 0.5), (".inf", float("inf")), ("1.2.3", "1.2.3"), ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"), ("-", "-"), ("v1.2.1", "v1.2.1"), ("_", "_"), ("１２", "１２"),
    ],
)  # fmt: skip
def test_unquoted_text_means_what_yaml_1_2_says(text: str, value: object) -> None:
    """Dates and the booleans of YAML 1.1 stay text."""
    assert core_value(text) == value
    assert type(core_value(text)) is type(value)


def test_quoted_and_tagged_text_stays_text() -> None:
    """Quotes, block scalars and an explicit tag keep what looks like a number."""
    values, _ = parsed("a: '1'\nb: \"true\"\nc: !!str 1\nd: |\n  2\ne: !!int 1\n")

    assert values == {"a": "1", "b": "true", "c": "1", "d": "2\n", "e": 1}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Editors on Windows write one."""
    assert parsed("\ufeffa: 1\n") == ({"a": 1}, [])


@given(st.binary(max_size=60))
def test_any_bytes_give_a_tree_or_a_finding(data: bytes) -> None:
    """Nothing that stands in a file makes reading it fail in another way."""
    findings = Findings()

    table = parse(data, "a.yaml", findings)

    assert table is not None or findings.errors


trees = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


def merged(base: object, over: object) -> object:
    """The rule, said once more on plain values."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    both = {key: merged(base[key], over[key]) for key in base.keys() & over.keys()}
    return {**base, **over, **both}


def planted(value: object) -> Node:
    """``value`` as a tree."""
    location = Location("a.yaml")
    if isinstance(value, dict):
        return Table(location, {key: planted(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return Listing(location, tuple(planted(item) for item in value))
    findings = Findings()
    table = parse(f"a: {value!r}".encode() if isinstance(value, int) else b"a: ''", "a.yaml", findings)
    assert table
    return table.entries["a"]


@given(trees, trees)
def test_an_overlay_merges_mappings_and_replaces_the_rest(base: object, over: object) -> None:
    """Whatever the two hold, the result is that of merging their plain values."""
    base_tree, over_tree = planted(base), planted(over)

    result = plain(overlay(base_tree, over_tree))

    assert result == merged(plain(base_tree), plain(over_tree))
