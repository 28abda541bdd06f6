"""`Config`: all that was read from ``conf.yaml``, checked, and the folders beside it."""

from __future__ import annotations

from pathlib import Path

import attrs

from .character import CharacterConfig
from .system import SystemConfig


@attrs.frozen
class Folders:
    """Where things lie, all beside ``conf.yaml``. Any of them may be missing on disk."""

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


@attrs.frozen
class Config:
    """A whole configuration. ``path`` is its ``conf.yaml``; ``character`` is the base character."""

    path: Path
    system: SystemConfig
    character: CharacterConfig

    @property
    def folders(self) -> Folders:
        root = self.path.parent
        return Folders(root, root / self.system.config_alts_dir)

    @property
    def frontend(self) -> Path | None:
        """The folder with another front end's build, if one is configured."""
        return self._beside(self.system.frontend_dir)

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate chain and key, if TLS is configured."""
        certificate, key = self._beside(self.system.tls_certificate), self._beside(self.system.tls_key)
        return (certificate, key) if certificate and key else None

    def _beside(self, name: str) -> Path | None:
        return self.path.parent / Path(name).expanduser() if name else None
