"""`Config`: all of a ``conf.yaml``; `ConfigFolders`: what lies beside it; and `packaged_conf`."""

from __future__ import annotations

from pathlib import Path

import attrs

from .character import CharacterConfig
from .diagnostics import Finding
from .listing import location_of
from .server_settings import OUR_PAGE
from .system import SystemConfig
from .wyoming import WyomingEngines

PACKAGE = Path(__file__).parents[1]


def packaged_conf() -> Path:
    """The folder with the configuration that came with the package, or with the checkout."""
    installed = PACKAGE / "_conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


@attrs.frozen
class ConfigFolders:
    """The folders of a configuration, beside ``conf.yaml``. Any of them may be missing on disk."""

    root: Path
    characters: Path

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    @property
    def model_dict(self) -> Path:
        """The model dictionary, a JSON file."""
        return self.root / "model_dict.json"

    @property
    def live2d_models(self) -> Path:
        return self.root / "live2d-models"

    @property
    def backgrounds(self) -> Path:
        return self.root / "backgrounds"

    @property
    def avatars(self) -> Path:
        return self.root / "avatars"

    def page_in(self, name: str) -> Path | None:
        """The folder ``name`` if a web page is in it."""
        folder = self.root / name
        return folder if (folder / "index.html").is_file() else None


@attrs.frozen
class Config:
    """All of the ``conf.yaml`` at ``path``, with its base character. ``warnings`` are for the user."""

    path: Path
    system: SystemConfig
    character: CharacterConfig
    warnings: tuple[Finding, ...] = ()
    wyoming: WyomingEngines | None = None

    @property
    def folders(self) -> ConfigFolders:
        root = self.path.parent
        return ConfigFolders(root, root / self.system.config_alts_dir)

    @property
    def first_character(self) -> str:
        """The file of the first character as findings name it; empty where that is ``conf.yaml`` alone."""
        name = self.system.first_character
        return location_of(self.folders.characters, name).file if name else ""

    @property
    def frontend(self) -> Path | None:
        """The folder with another front end's build: the configured one, or ``frontend`` if one is there."""
        if self.system.frontend_dir == OUR_PAGE:
            return None
        return self._beside(self.system.frontend_dir) or self.folders.page_in("frontend")

    @property
    def web_tool(self) -> Path | None:
        """Open-LLM-VTuber's page that tries recognition and speech, if it is there."""
        return self.folders.page_in("web_tool")

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate chain and key, if TLS is configured."""
        certificate, key = self._beside(self.system.tls_certificate), self._beside(self.system.tls_key)
        return (certificate, key) if certificate and key else None

    def _beside(self, name: str) -> Path | None:
        return self.path.parent / Path(name).expanduser() if name else None
