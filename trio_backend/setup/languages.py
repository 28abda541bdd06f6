"""`TEXTS`: the languages in which `init` speaks and writes; `guessed_language`: that of the terminal."""

from __future__ import annotations

import locale
from collections.abc import Mapping

from . import texts_en, texts_ja, texts_zh
from .flags import LanguageCode
from .texts import SetupTexts

TEXTS: Mapping[LanguageCode, SetupTexts] = {"en": texts_en.TEXTS, "zh": texts_zh.TEXTS, "ja": texts_ja.TEXTS}
"""By code, in the order in which they are offered."""


def guessed_language(environ: Mapping[str, str]) -> LanguageCode:
    """The language that the environment asks for, as POSIX has it; English where there are no texts in it."""
    names = [environ.get(variable, "") for variable in ("LC_ALL", "LC_MESSAGES", "LANG")]
    # Windows and macOS may have no such variable.
    name = next(filter(None, names), "") or locale.getlocale()[0] or ""
    for code in TEXTS:
        if name.lower().startswith((code, TEXTS_BY_COUNTRY[code])):
            return code
    return "en"


TEXTS_BY_COUNTRY: Mapping[LanguageCode, str] = {"en": "english", "zh": "chinese", "ja": "japanese"}
"""What Windows calls them."""
