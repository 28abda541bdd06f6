"""The embedded recogniser is honest: `check`, `serve` and `transcribe` say what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import trio
from loguru import logger

from tests.config.test_bad_configurations import lay
from tests.conftest import character
from tests.engines.speech_sounds import silence
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.check import CheckReport, look_at
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engine_commands.chosen import EngineRequest, chosen_engine
from trio_backend.engine_commands.recognising import transcribe
from trio_backend.engines.registry import embedded, facts_of

BETTER = "`trio-backend download sense-voice` gets a better one"
CHINESE = "你是米娅，一位温柔体贴的朋友。Keep your answers short."
JAPANESE = "あなたはミアです。短く答えてください。"


def limits() -> str:
    """What the embedded one says of itself."""
    facts = facts_of("asr", embedded("asr").name)
    assert facts is not None
    assert "English only" in facts.limits
    return f"{facts.limits}; {BETTER}"


def base(persona: str, asr: str = "") -> str:
    """A configuration in which nothing is wrong."""
    chosen = f"  asr_config: {{asr_model: {asr}}}\n" if asr else ""
    return (
        "system_config: {}\ncharacter_config:\n  conf_name: Mia\n  conf_uid: mia\n"
        f"  persona_prompt: {persona}\n{chosen}"
    )


@pytest.mark.parametrize(
    ("persona", "language"), [(CHINESE, "Chinese"), (JAPANESE, "Japanese"), ("You are 米娅, a friend.", "")]
)
def test_a_character_that_speaks_another_language_is_warned_of(
    tmp_path: Path, persona: str, language: str
) -> None:
    """Where the persona stands, with what to do; a name in another script makes no language."""
    checked = look_at(lay(tmp_path, {"conf.yaml": base(persona, "pocketsphinx_asr")}), {})
    told = [(str(one.severity), one.line, one.message) for one in checked.findings if "persona" in one.key]
    said = f"is {language}, which pocketsphinx_asr does not understand when it is spoken; {BETTER}"
    assert told == ([("warning", 5, said)] if language else [])


def test_where_none_was_chosen_it_is_no_mistake_of_a_file(tmp_path: Path) -> None:
    """It is said all the same, for people and for programs; as of Mia, whom we ship."""
    files = {"conf.yaml": base(CHINESE), "model_dict.json": "[]"}
    report = CheckReport(look_at(lay(tmp_path, files), {}), strict=True)
    assert report.errors == 0
    said = f"is Chinese, which pocketsphinx_asr does not understand when it is spoken; {BETTER}"
    assert f"conf.yaml: its persona {said}" in list(report.lines())
    assert json.loads(report.json())["not_understood"] == {"conf.yaml": said}


@pytest.mark.parametrize("asr", ["sherpa_onnx_asr", "[pocketsphinx_asr, openai_compatible_asr]"])
def test_one_that_has_a_recogniser_for_it_is_not(tmp_path: Path, asr: str) -> None:
    """Also where that is the second of a list."""
    checked = look_at(lay(tmp_path, {"conf.yaml": base(CHINESE, asr)}), {})
    assert [one for one in checked.findings if "persona" in one.key] == []


def test_check_says_the_limits_once(tmp_path: Path) -> None:
    """For all characters that have it; for programs, by its name; nothing where nobody has it."""
    files = {"conf.yaml": base("You are Mia."), "characters/b.yaml": "character_config: {conf_uid: b}"}
    report = CheckReport(look_at(lay(tmp_path, files), {}))
    assert [line for line in report.lines() if limits() in line] == [f"pocketsphinx_asr: {limits()}"]
    assert json.loads(report.json())["limits"] == {"pocketsphinx_asr": limits()}
    (tmp_path / "conf.yaml").write_text(base("You are Mia.", "scripted_asr"))
    (tmp_path / "characters" / "b.yaml").unlink()
    report = CheckReport(look_at(tmp_path / "conf.yaml", {}))
    assert json.loads(report.json())["limits"] == {}


@pytest.mark.parametrize("asr", [None, EngineChoice("asr", "scripted_asr", {})])
async def test_serve_says_them_once(options: BackendOptions, asr: EngineChoice | None) -> None:
    """At its start, as information; nothing of one that has none."""
    quiet = attrs.evolve(character("mao", voice="none_tts"), file="conf.yaml", asr=asr)
    lines: list[str] = []
    sink = logger.add(lambda text: lines.append(str(text)), level="INFO", format="{level} {message}")
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(quiet))) as backend:
        await backend.prepare_recognition(at_once=False)
        await trio.testing.wait_all_tasks_blocked()
        assert "asr" not in [engine.kind for engine in backend.leases.statistics().engines]
    logger.remove(sink)
    told = [line.strip() for line in lines if "speech recognition is" in line]
    assert told == ([] if asr else [f"INFO speech recognition is pocketsphinx_asr: {limits()}"])


@pytest.mark.parametrize("asr", ["pocketsphinx_asr", "scripted_asr"])
async def test_transcribe_says_them_after_the_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asr: str
) -> None:
    """On standard error, so that the words can be used."""
    pytest.importorskip("pocketsphinx")
    file = tmp_path / "sound.wav"
    file.write_bytes(silence(0.5).to_wav())
    given = ["phrases=[hello]"] if asr == "pocketsphinx_asr" else []
    tried = await trio.to_thread.run_sync(chosen_engine, EngineRequest("asr", asr, given), {})
    await transcribe(tried, file, live=False)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert limits() not in out
    assert (f"pocketsphinx_asr: {limits()}" in err) == (asr == "pocketsphinx_asr")


def test_check_names_embedded_engines_that_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs them; not those that a file has chosen, which are findings."""
    conf = lay(tmp_path, {"conf.yaml": base("You are Mia.")})
    assert json.loads(CheckReport(look_at(conf, {})).json())["missing"] == {}

    monkeypatch.setattr("trio_backend.engines.facts.find_spec", lambda _name: None)
    report = CheckReport(look_at(conf, {}))
    missing = json.loads(report.json())["missing"]
    assert [line for line in report.lines() if "not installed" in line] == [
        f"{name}: {text}" for name, text in missing.items()
    ]
    assert "pip" in missing["pocketsphinx_asr"]
    assert "voice" in missing["pocketsphinx_asr"]
