"""`EngineSections`: the settings that a ``conf.yaml`` has for any engine, chosen by a character or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import ConfigError
from .character import EngineChoice, EngineKind
from .choices import CHOSEN_AT, EngineChooser
from .diagnostics import Findings, Location
from .load import packaged_conf
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


@attrs.frozen
class EngineSections:
    """The sections of a file; see `read`. Relative paths in them start at ``folder``."""

    folder: Path
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
        return cls(folder, document.table("character_config"), environ)

    def choice(self, kind: EngineKind, name: str) -> EngineChoice:
        """The engine ``name``, with the settings of its section, if there is one.

        Raises `ConfigError` where they name a variable that the environment does not have.
        """
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
