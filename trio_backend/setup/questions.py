"""`Questions`: the five questions, one after the other, and the answers that flags give instead."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import attrs

from ..config.system import SystemConfig
from ..engines.openai.configs import find_key
from ..errors import SetupRefused
from ..running import run_until_interrupted
from .answers import LONGEST_NAME, Answers, can_be_called, cleaned_name, new_access_token
from .catalogue import Catalogue, EngineOption, Surroundings
from .dialogue import Dialogue, MenuItem
from .flags import Connecting, GivenAnswers, LanguageCode, Listening, SetupRun
from .languages import TEXTS, guessed_language
from .nearby import LookedAt, is_host, look_around
from .offers import MODEL_SERVICES, models, recognisers, voices
from .texts import AskedTexts

# Lines of a menu that one server may have. Who has more models than that knows their names.
_MOST_SHOWN = 5
# Options for which nothing needs to be looked for.
_BUILT_IN = {"companion", "espeak", "none", "embedded"}
# The line of the menu behind which the services are.
_SERVICES = EngineOption("llm", "services", "", "")

T = TypeVar("T")


@attrs.define(eq=False)
class Questions:
    """Asks what ``given`` does not answer, if ``asks``; else takes what is suggested. Writes nothing."""

    given: GivenAnswers
    run: SetupRun
    asks: bool
    environ: Mapping[str, str] = attrs.field(repr=False)
    keys: dict[str, str] = attrs.field(factory=dict, repr=False, init=False)
    """Those that were typed, by the variable that could hold them."""
    looked: Sequence[LookedAt] | None = attrs.field(default=None, init=False)
    """What was found nearby; None where nothing was looked for."""
    _dialogue: Dialogue = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._dialogue = Dialogue(TEXTS[guessed_language(self.environ)].asked)

    def answers(self) -> Answers:
        """All answers. Raises `SetupRefused` where a flag cannot be obeyed, KeyboardInterrupt at a Ctrl-C."""
        language = self.language()
        name = self.name(language)
        model, voice = self.model_and_voice(language)
        microphone, listen = self.microphone(language, name)
        connect = self.connect()
        token = new_access_token() if connect == "network" else ""
        return Answers(
            language, name, model, voice, microphone, listen, connect, self.port(), token, self.keys
        )

    @property
    def texts(self) -> AskedTexts:
        """Those of the language that was chosen, or is guessed."""
        return self._dialogue.texts

    @property
    def found_models(self) -> bool:
        """Whether a server nearby has a model."""
        return any(each.found.models for each in self.looked or ())

    def language(self) -> LanguageCode:
        """The first question; those that follow are asked in the language."""
        answer: LanguageCode = self.given.language or guessed_language(self.environ)
        if self.asks and self.given.language is None:
            asked = self._dialogue.texts
            self._dialogue.head(1, asked.language, asked.language_help)
            items = [MenuItem(code, texts.title) for code, texts in TEXTS.items()]
            answer = self._dialogue.choose(items, answer, _one_of(*TEXTS))
        self._dialogue.texts = TEXTS[answer].asked
        return answer

    def name(self, language: LanguageCode) -> str:
        """The second question."""
        texts = TEXTS[language]
        wrong = texts.asked.name_wrong.format(most=LONGEST_NAME)
        if self.given.name is not None:
            if (name := cleaned_name(self.given.name)) is None:
                raise SetupRefused(f"--name: {wrong}")
            return name
        if not self.asks:
            return texts.character.name
        self._dialogue.head(2, texts.asked.name, texts.asked.name_help)
        return self._dialogue.text(texts.character.name, cleaned_name, wrong)

    def model_and_voice(self, language: LanguageCode) -> tuple[EngineOption, EngineOption]:
        """The third question, in two parts."""
        asked, given = self._dialogue.texts, self.given
        if self.asks and None in (given.model, given.voice):
            self._dialogue.head(3, asked.model, asked.model_help)
        around = self._surroundings(language, given.model, given.voice)
        if self.looked and None in (given.model, given.voice):
            self._tell_what_runs()
        services = MenuItem(_SERVICES, "…", f"{asked.service}: OpenAI, Claude, Gemini, …")
        model = self._engine(models(around), given.model, "--model", (asked.model_menu, services))
        voice = self._engine(voices(around), given.voice, "--voice", (asked.voice_menu, None))
        return model, voice

    def microphone(self, language: LanguageCode, name: str) -> tuple[EngineOption, Listening]:
        """The fourth question, in two parts."""
        asked, given = self._dialogue.texts, self.given
        if self.asks and given.microphone is None:
            self._dialogue.head(4, asked.microphone, asked.microphone_help)
        around = self._surroundings(language, given.microphone)
        option = self._engine(recognisers(around), given.microphone, "--microphone", ("", None))
        # The embedded recogniser knows English words alone, and would never hear another name.
        can_wake = can_be_called(name) and (language == "en" or option.engine != "")
        if given.listen == "name" and not can_wake:
            why = "the embedded recogniser understands English only; choose another --microphone"
            if not can_be_called(name):
                why = f"{name!r} has nothing in it that can be said"
            raise SetupRefused(f"--listen name: {why}")
        if given.listen or given.microphone or not self.asks or not can_wake:
            return option, given.listen or "always"
        items: list[MenuItem[Listening]] = [
            MenuItem("always", asked.always),
            MenuItem("name", asked.by_name.format(name=name)),
        ]
        listen = self._dialogue.choose(items, "always", _one_of("always", "name"), title=asked.listening)
        return option, listen

    def connect(self) -> Connecting:
        """The fifth question."""
        asked = self._dialogue.texts
        if self.given.connect or not self.asks:
            return self.given.connect or "this-machine"
        self._dialogue.head(5, asked.connect, asked.connect_help)
        items: list[MenuItem[Connecting]] = [
            MenuItem("this-machine", asked.this_machine),
            MenuItem("network", asked.network),
        ]
        return self._dialogue.choose(items, "this-machine", _one_of("this-machine", "network"))

    def port(self) -> int:
        """That of the command line, or one that is free now."""
        if self.run.port is not None:
            return self.run.port
        usual = SystemConfig().port
        port = next((port for port in range(usual, usual + 20) if _is_free(port)), usual)
        if port != usual:
            print(f"\n{self._dialogue.texts.port_taken.format(taken=usual, port=port)}")
        return port

    def _surroundings(self, language: LanguageCode, *given: str | None) -> Surroundings:
        """What runs nearby; looked for once, and only where it matters."""
        if not is_host(self.run.look_on):
            why = "give the name or the address of a machine, without a port"
            raise SetupRefused(f"--look-on {self.run.look_on}: {why}")
        if self.looked is None and not set(given) <= _BUILT_IN:
            self.looked = run_until_interrupted(look_around, self.run.look_on)
        return Surroundings(self.run.look_on, self.looked or (), language)

    def _tell_what_runs(self) -> None:
        """A line for each server that answers, and one for all that do not."""
        asked, lines = self._dialogue.texts, dict[str, list[str]]()
        print()
        self._dialogue.say(asked.looked.format(host=self.run.look_on))
        for each in self.looked or ():
            found = each.found
            counted = [
                (len(found.models), asked.found_models),
                (len(found.voices) or len(found.speakers), asked.found_voices),
                (len(found.recognisers), asked.found_recognisers),
            ]
            told = ", ".join(text.format(count=count) for count, text in counted if count)
            if each.outcome != "found":
                told = asked.outcomes[each.outcome]
            elif not told:
                told = asked.needs_recording if each.source == "gpt-sovits" else asked.found_nothing
            lines.setdefault(told, []).append(f"{each.title} ({each.port})")
        for told, servers in lines.items():
            self._dialogue.say(f"- {', '.join(servers)}: {told}")

    def _engine(
        self,
        catalogue: Catalogue,
        given: str | None,
        flag: str,
        menu: tuple[str, MenuItem[EngineOption] | None],
    ) -> EngineOption:
        """The option that is given or chosen, with its key where it needs one."""
        if given is not None:
            try:
                option = catalogue.find(given)
            except SetupRefused as error:
                raise SetupRefused(f"{flag} {error}") from None
            if not self._has_key(option):
                variable = " or ".join(option.variables)
                raise SetupRefused(f"{flag} {given}: its key is missing; set {variable} in the environment")
            return option
        if not self.asks:
            return catalogue.offered[catalogue.default]
        while True:
            option = self._choose(catalogue, *menu)
            if self._has_key(option):
                return option

    def _choose(
        self, catalogue: Catalogue, title: str, services: MenuItem[EngineOption] | None
    ) -> EngineOption:
        asked, shown, left = self._dialogue.texts, list[EngineOption](), Counter[str]()
        for option in catalogue.offered:
            if sum(each.source == option.source for each in shown) < _MOST_SHOWN:
                shown.append(option)
            else:
                left[option.source] += 1
        notes = [asked.more.format(source=source, count=count) for source, count in left.items()]
        notes += [
            asked.not_offered.format(source=source, remedy=catalogue.missing[source])
            for source in ("edge", "faster-whisper", "embedded")
            if source in catalogue.missing
        ]
        items = [MenuItem(option, option.name or option.source, self._about(option)) for option in shown]
        if services:
            items.append(services)
        suggested = catalogue.offered[catalogue.default]
        chosen = self._dialogue.choose(items, suggested, catalogue.find, title=title, notes=notes)
        return self._service(catalogue) if chosen is _SERVICES else chosen

    def _service(self, catalogue: Catalogue) -> EngineOption:
        """A model of a service, by its name there."""
        asked = self._dialogue.texts
        items = [MenuItem(source, title) for source, title in MODEL_SERVICES.items()]
        source = self._dialogue.choose(items, "openai", _one_of(*MODEL_SERVICES), title=asked.which_service)
        label = asked.which_model.format(service=MODEL_SERVICES[source])

        def find(name: str) -> EngineOption | None:
            return catalogue.find(f"{source}:{name}") if cleaned_name(name) else None

        # The one that docs/language-models.md names; of others there is none that stays.
        return self._dialogue.text("claude-haiku-5-5" if source == "claude" else "", find, label, label=label)

    def _about(self, option: EngineOption) -> str:
        asked = self._dialogue.texts
        on_host = asked.on_host.format(title=option.title, host=self.run.look_on)
        return asked.options.get(option.source, on_host)

    def _has_key(self, option: EngineOption) -> bool:
        """Whether it needs no key, or has one: in the environment, or typed now. Typed ones are kept."""
        variables, asked = option.variables, self._dialogue.texts
        if not variables or any(variable in self.keys for variable in variables):
            return True
        if found := [variable for variable in variables if find_key(self.environ.get(variable, ""), (), {})]:
            if self.asks:
                self._dialogue.say(asked.key_found.format(variable=found[0]))
            return True
        while self.asks:
            key = self._dialogue.secret(asked.key.format(service=option.title, variable=variables[0]))
            if not key:
                return False
            if find_key(key, (), {}) and key.isascii() and key.isprintable() and " " not in key:
                self.keys[variables[0]] = key
                return True
            self._dialogue.say(asked.key_wrong)
        return False


def _one_of(*names: T) -> Callable[[str], T]:
    """Finds one of ``names``, by the word itself."""

    def find(given: str) -> T:
        found = next((name for name in names if name == given.lower()), None)
        if found is None:
            raise SetupRefused(f"{given!r}: {' / '.join(map(str, names))}")
        return found

    return find


def _is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as one:
        if sys.platform != "win32":
            # As the server does: connections that have just ended hold the port otherwise.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            one.bind(("127.0.0.1", port))
            return True
    return False
