"""The plain page that says that the backend runs, for when no front end is installed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>trio-backend</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
th {{ text-align: left; padding-right: 2rem; font-weight: normal; color: gray; }}
</style>
<h1>The backend is running</h1>
<table>
{rows}
</table>
<p>To talk in a terminal: <code>trio-backend chat</code></p>
<p>Clients connect to the WebSocket <code>/client-ws</code> on this port. A web front end appears here once
<code>system_config.frontend_dir</code> names the folder of its build.</p>
</html>
"""


def render_front_page(about: Sequence[tuple[str, str]]) -> str:
    """The page as HTML, with one row per pair in ``about``."""
    rows = "\n".join(f"<tr><th>{escape(what)}<td>{escape(which)}" for what, which in about)
    return _PAGE.format(rows=rows)
