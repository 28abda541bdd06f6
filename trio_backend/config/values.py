"""Trees → plain values, with the environment's variables in place of ``${NAME}``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from .document import Listing, Node, Scalar, Table, core_value
from .finding import Findings

_VARIABLE = re.compile(r"(\$?)\$\{(\w+)(?::-([^}]*))?\}")


@attrs.frozen
class Values:
    """Reads values out of trees.

    ``${NAME}`` stands for the variable, ``${NAME:-text}`` for ``text`` where there is none, and
    ``$${NAME}`` for itself. A missing variable is an error at the line that asks for it, and only
    where the value is used. What a variable held never appears in a finding.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    findings: Findings

    def of(self, node: Node) -> object:
        """``node`` as numbers, text, lists and dicts; nulls are kept."""
        if isinstance(node, Table):
            return {key: self.of(value) for key, value in node.entries.items()}
        if isinstance(node, Listing):
            return [self.of(item) for item in node.items]
        text = self._filled_in(node)
        return core_value(text) if node.typed else text

    def given(self, node: Node) -> object:
        """Like `of`, but nulls in tables are left out: a key without a value means its default."""
        if isinstance(node, Table):
            present = (
                (key, value)
                for key, value in node.entries.items()
                if not (isinstance(value, Scalar) and value.is_null)
            )
            return {key: self.given(value) for key, value in present}
        return self.of(node)

    def _filled_in(self, node: Scalar) -> str:
        def fill(match: re.Match[str]) -> str:
            escaped, name, default = match.groups()
            if escaped:
                return match[0][1:]
            if name not in self.environ and default is None:
                remedy = f"set it, or write ${{{name}:-a default}}"
                self.findings.error(node.place, f"the environment variable {name} is not set", remedy)
                return match[0]
            return self.environ.get(name, default or "")

        # Behind the last brace nothing can end: each variable begun there would be looked through to the end.
        within, brace, rest = node.text.rpartition("}")
        return _VARIABLE.sub(fill, within + brace) + rest


def as_written(node: Node) -> object:
    """``node`` as plain values, with ``${NAME}`` left as it is."""
    if isinstance(node, Table):
        return {key: as_written(value) for key, value in node.entries.items()}
    if isinstance(node, Listing):
        return [as_written(item) for item in node.items]
    return core_value(node.text) if node.typed else node.text
