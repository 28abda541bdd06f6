"""Fixtures that the tests of the server have, too."""

from __future__ import annotations

from tests.server.conftest import folders as folders
