"""`ConfigFolders`: what lies beside a configuration's ``conf.yaml``."""

from __future__ import annotations

from pathlib import Path

import attrs


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
