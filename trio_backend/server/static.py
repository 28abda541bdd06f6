"""Folders of files, served as they are."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePath

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# A file in a folder of pictures and models (an SVG, HTML) runs no script if it is opened as a page.
NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox"


def is_hidden(path: str) -> bool:
    """Whether a part of ``path`` begins with a dot: keys, version control, editors' copies.

    ``.well-known`` is not served either: operators who get certificates by it have another server for that.
    """
    return any(part.startswith(".") for part in PurePath(path).parts)


class Folder(StaticFiles):
    """The files under ``directory``; a folder that is not there is empty.

    There is no listing, and nothing outside of the folder is served, neither by ``..`` nor by a symbolic
    link. Browsers ask for changes at each use (``ETag``), since operators edit the files. If ``suffixes`` are
    given, only files with one of them are served.
    """

    def __init__(
        self, directory: Path, *, suffixes: Collection[str] | None = None, cache: str = "no-cache"
    ) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._suffixes = suffixes
        self._cache = cache

    async def check_config(self) -> None:
        """Nothing to check: see above."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if is_hidden(path) or (
            self._suffixes is not None and Path(path).suffix.lower() not in self._suffixes
        ):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            # Starlette's answer for a file that we may not read. 404 does not tell that it exists.
            if error.status_code == 401:
                raise HTTPException(404) from error
            raise
        response.headers["Cache-Control"] = self._cache
        response.headers["Content-Security-Policy"] = NO_SCRIPTS
        return response


class FrontEnd(StaticFiles):
    """A web front end: its own pages and scripts, ``index.html`` for a folder.

    A file that is in several of the directories is that of the first. ``policy``, if given, is sent as the
    pages' Content-Security-Policy.
    """

    def __init__(self, *directories: Path, policy: str = "") -> None:
        super().__init__(directory=directories[0], html=True, check_dir=False)
        self.all_directories = list(directories)
        self._policy = policy

    async def check_config(self) -> None:
        """Nothing to check: a folder that is not there is empty."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if is_hidden(path):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        if self._policy:
            response.headers["Content-Security-Policy"] = self._policy
        return response
