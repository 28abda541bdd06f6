"""`EngineSections`: the settings that a ``conf.yaml`` has for any engine, chosen by a character or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import ConfigError
from .character import EngineChoice, EngineKind
from .diagnostics import Findings
from .load import packaged_conf
from .tree import Table, Values, walk
from .yaml import parse

SECTIONS: Mapping[EngineKind, str] = {
    "llm": "agent_config.llm_configs",
    "tts": "tts_config",
    "asr": "asr_config",
    "vad": "vad_config",
}
"""Where the sections of a kind's engines stand, in ``character_config``."""


@attrs.frozen
class EngineSections:
    """The sections of a file; see `read`. Relative paths in them start at ``folder``."""

    folder: Path
    _character: Table | None
    _environ: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def read(cls, path: Path, environ: Mapping[str, str]) -> EngineSections:
        """Those of a ``conf.yaml``; blocking. Raises `ConfigError` where it is no YAML.

        Paths start at its folder; of the one that came with the package, where users have no files, at the
        working directory.
        """
        findings = Findings()
        try:
            document = parse(path.read_bytes(), path.name, findings)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if document is None:
            raise ConfigError("\n".join(map(str, findings.errors)))
        folder = Path.cwd() if path.parent == packaged_conf() else path.parent
        return cls(folder, document.table("character_config"), environ)

    def choice(self, kind: EngineKind, name: str) -> EngineChoice:
        """The engine ``name``, with the settings of its section, if there is one.

        Raises `ConfigError` where they name a variable that the environment does not have.
        """
        section = SECTIONS.get(kind, "")
        key = f"character_config.{section}.{name}"
        block = self._character.table(f"{section}.{name}") if self._character and section else None
        if block is None:
            return EngineChoice(kind, name, folder=self.folder, key=key)
        findings = Findings()
        settings = Values(self._environ, findings).of(block)
        assert isinstance(settings, dict)
        if findings.errors:
            raise ConfigError("\n".join(map(str, findings.errors)))
        places = [node.location for node in walk(block)]
        locations = {place.key.removeprefix(key).removeprefix("."): place for place in places}
        return EngineChoice(kind, name, settings, self.folder, key, locations)
