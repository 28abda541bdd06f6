"""The lists of mutants: what each changes, and the promise that it breaks."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import attrs

PACKAGE = Path(__file__).parents[2] / "trio_backend"


@attrs.frozen
class Mutant:
    """Replaces ``old``, which stands once in ``file``, by ``new``.

    ``equivalent`` says why nothing can notice it, where that is so; such a mutant is not run.
    """

    number: int
    package: str
    file: str
    promise: str
    old: str
    new: str
    equivalent: str = ""

    @property
    def key(self) -> str:
        """What no other mutant has, wherever it stands in its list."""
        digest = hashlib.sha256("\0".join([self.file, self.old, self.new]).encode())
        return f"{self.package}-{digest.hexdigest()[:16]}"

    def __str__(self) -> str:
        return f"{self.package}-{self.number} ({self.file}:{self.lines()[0]}): {self.promise}"

    def source(self) -> str:
        """The file as it is."""
        return (PACKAGE / self.file).read_text("utf-8")

    def mutated(self) -> str:
        """The file with the change."""
        return self.source().replace(self.old, self.new, 1)

    def lines(self) -> range:
        """The numbers of the lines that the change is in."""
        first = self.source().partition(self.old)[0].count("\n") + 1
        return range(first, first + self.old.count("\n") + 1)

    def lines_of_functions(self) -> frozenset[int]:
        """The numbers of the lines in the bodies of functions; the others are executed by an import."""
        functions = (
            node
            for node in ast.walk(ast.parse(self.source()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        return frozenset(
            line
            for each in functions
            for line in range(each.body[0].lineno, (each.body[-1].end_lineno or 0) + 1)
        )


def mutants() -> Sequence[Mutant]:
    """All of them, by package and in the order of their lists."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        entries = tomllib.loads(path.read_text("utf-8"))["mutant"]
        found += [Mutant(number, path.stem, **entry) for number, entry in enumerate(entries, 1)]
    return found
