"""The lists of mutants follow the code: each names text that is there, once, and leaves valid Python."""

from __future__ import annotations

import ast

import pytest

from .listed import Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: f"{mutant.package}-{mutant.number}")
def test_a_mutant_changes_what_is_there(mutant: Mutant) -> None:
    """Whoever changes the code changes the mutant too, and thinks of the promise."""
    assert mutant.source().count(mutant.old) == 1, f"{mutant.file} holds this not once: {mutant.old!r}"
    assert mutant.old != mutant.new
    ast.parse(mutant.mutated())
