"""The facts beside each adapter, and docs/engines.md, which is made of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from trio_backend.config.character import EngineKind
from trio_backend.engine_commands.document import document
from trio_backend.engines import registry
from trio_backend.engines.facts import EngineFacts
from trio_backend.engines.registry import facts_of, known
from trio_backend.engines.settings import Environment
from trio_backend.errors import SettingsError, UnknownEngine

ROOT = Path(__file__).parents[2]
ENGINES: list[tuple[EngineKind, str]] = [
    (kind, name) for kind in get_args(EngineKind) for name in known(kind)
]


def facts(kind: EngineKind, name: str) -> EngineFacts:
    """Those of an engine of ours, which must be there."""
    found = facts_of(kind, name)
    assert found is not None, (
        f"{name} has no facts: add `FACTS = EngineFacts(streams=…, cancel=…, tried=…, …)` to its module in "
        f"trio_backend/engines/{kind}/ (see engines/facts.py), or its name to the mapping that is there; "
        "then `trio-backend engines --markdown > docs/engines.md`"
    )
    return found


@pytest.mark.parametrize(("kind", "name"), ENGINES, ids=lambda each: each)
def test_every_engine_has_its_facts(kind: EngineKind, name: str) -> None:
    """Cells of a table, with an extra that exists; what pip installs is named where modules are needed."""
    known_facts = facts(kind, name)
    cells = (known_facts.streams, known_facts.needs)
    assert all(cell and "|" not in cell and "\n" not in cell and not cell.endswith(".") for cell in cells), (
        f"{name}: streams and needs are cells of a table: short, without a full stop"
    )
    if known_facts.modules:
        assert known_facts.extra or known_facts.packages, f"{name}: say what installs {known_facts.modules}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert not known_facts.extra or known_facts.extra in project["optional-dependencies"], (
        f"{name}: there is no extra {known_facts.extra!r} in pyproject.toml"
    )


def test_the_document_is_what_the_code_says() -> None:
    """docs/engines.md, to the letter."""
    assert (ROOT / "docs" / "engines.md").read_text("utf-8") == document(), (
        "docs/engines.md is old: `trio-backend engines --markdown > docs/engines.md`"
    )


WITH_MODULES = [each for each in ENGINES if getattr(facts_of(*each), "modules", ())]


@pytest.mark.parametrize(("kind", "name"), WITH_MODULES, ids=lambda each: each)
def test_what_stands_in_for_a_missing_library_is_said(
    kind: EngineKind, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine that the facts name, or none: then the engine is chosen, and its modules are missing."""
    known_facts = facts(kind, name)
    adapter = registry._adapters(kind)[name]
    monkeypatch.setattr(adapter, "find_spec", lambda _: None, raising=False)
    monkeypatch.setattr("trio_backend.engines.facts.find_spec", lambda _: None)
    text = registry.missing_modules(kind, name)
    assert all(module in text for module in known_facts.modules)
    assert f"[{known_facts.extra}]" in text or f"install {known_facts.packages[0]}" in text
    instead = ""
    try:
        registry.configure(kind, name, {}, environment=Environment(Path(), {}))
    except UnknownEngine as error:
        instead = error.instead
    except SettingsError:
        pass
    assert instead == known_facts.fallback
