"""`EngineSections`: the settings that a character's files have for any engine, chosen by it or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import attrs

from ..errors import ConfigError
from .character import CharacterConfig, EngineChoice, EngineKind
from .choices import CHOSEN_AT, EngineChooser
from .config_folders import packaged_conf
from .diagnostics import Findings, Location
from .tree import Scalar, Table, Values
from .yaml import parse

_SECTIONS: Mapping[EngineKind, str] = {
    "llm": "agent_config.llm_configs",
    "tts": "tts_config",
    "asr": "asr_config",
    "vad": "vad_config",
    "translator": "tts_preprocessor_config.translator_config",
}
"""Where the sections of a kind's engines stand, in ``character_config``."""


class EngineSettings(Protocol):
    """What a character has for each engine by name: `EngineSections`, where it comes from files."""

    @property
    def file(self) -> str:
        """The character's file, as people are told of it: ``characters/ann.yaml``."""
        ...

    def choice(self, kind: EngineKind, name: str) -> EngineChoice:
        """The engine ``name``, with the settings of its section, if there is one.

        Raises `ConfigError` where they name a variable that the environment does not have.
        """
        ...


def is_configured(choice: EngineChoice) -> bool:
    """Whether there is a section for the engine, or it is chosen: somebody wrote its name into a file."""
    return bool(choice.settings) or choice.locations.get("", Location("")).key.endswith(f".{choice.name}")


@attrs.frozen
class OwnEngines:
    """`EngineSettings` of a character that a program made: those of the engines that it uses."""

    _character: CharacterConfig

    @property
    def file(self) -> str:
        """See `EngineSettings.file`."""
        return self._character.file

    def choice(self, kind: EngineKind, name: str) -> EngineChoice:
        """See `EngineSettings.choice`."""
        character = self._character
        own = filter(None, (character.llm, character.tts, character.asr, character.vad, character.translator))
        every = (each for choice in own for each in (choice, *choice.then))
        found = next((each for each in every if (each.kind, each.name) == (kind, name)), None)
        return attrs.evolve(found, then=()) if found else EngineChoice(kind, name)


@attrs.frozen
class EngineSections:
    """`EngineSettings` in ``character_config``, that of a file over that of its base."""

    folder: Path
    """Relative paths in them start here."""
    file: str
    _character: Table | None
    _environ: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def read(cls, path: Path, environ: Mapping[str, str]) -> EngineSections:
        """Those of a ``conf.yaml``; blocking. Raises `ConfigError` where it is no YAML.

        Paths start at its folder, as for `serve`; of the one that came with the package, where users have no
        files, at the working directory. In a clone that one is the user's own.
        """
        findings = Findings()
        try:
            document = parse(path.read_bytes(), path.name, findings)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if document is None:
            raise ConfigError("\n".join(map(str, findings.errors)))
        ours = path.parent == packaged_conf() and not path.absolute().is_relative_to(Path.cwd())
        folder = Path.cwd() if ours else path.parent
        return cls(folder, path.name, document.table("character_config"), environ)

    def choice(self, kind: EngineKind, name: str) -> EngineChoice:
        """See `EngineSettings.choice`."""
        findings = Findings()
        table = self._character or Table(Location("", 0, "character_config"), {})
        pick = EngineChooser(table, self.folder, Values(self._environ, findings))
        if kind == "turn":
            model = table.find(CHOSEN_AT[kind])
            choice = pick.turn_model(model.text if isinstance(model, Scalar) else None)
        else:
            choice = pick.engine(kind, name, _SECTIONS[kind])
        if findings.errors:
            raise ConfigError("\n".join(map(str, findings.errors)))
        return choice or EngineChoice(kind, name, folder=self.folder)
