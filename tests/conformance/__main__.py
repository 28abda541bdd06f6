"""``python -m tests.conformance`` writes docs/websocket-conformance.md again."""

from __future__ import annotations

from tests.conformance.cases import all_cases
from tests.conformance.table import PAGE, page

PAGE.write_text(page(all_cases()), "utf-8")
