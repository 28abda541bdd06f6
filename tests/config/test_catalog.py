"""The catalog: which characters there are, and what a client may ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from loguru import logger

from trio_backend.config.catalog import CharacterCatalog, CharacterFile, DiskCatalog, MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.diagnostics import Findings
from trio_backend.config.engine_sections import is_configured
from trio_backend.config.folder import ConfigFolder
from trio_backend.config.load import load_config
from trio_backend.errors import ConfigError
from trio_backend.protocol.codec import encode
from trio_backend.protocol.outgoing import SetModelAndConf

from .conftest import BASE, MODELS, Write

BOB = "character_config: {conf_name: Bob, conf_uid: bob_001}\n"


def disk_catalog(path: Path) -> DiskCatalog:
    """The catalog of the configuration in ``path``."""
    return DiskCatalog.of(load_config(path, environ={}).config, {})


def memory_catalog(path: Path) -> MemoryCatalog:
    """A catalog like that of `disk_catalog`, but given whole."""
    base = load_config(path, environ={}).config.character
    bob = CharacterConfig("bob.yaml", "Bob", "bob_001", EngineChoice("llm", "x"), EngineChoice("tts", "x"))
    return MemoryCatalog(base, {"bob.yaml": bob})


@pytest.mark.parametrize("make", [disk_catalog, memory_catalog])
async def test_both_catalogs_keep_the_promise(write: Write, make: Callable[[Path], CharacterCatalog]) -> None:
    """The base comes first, each choice loads by its file name, and what is not there is refused."""
    catalog = make(write({"conf.yaml": BASE, "characters/bob.yaml": BOB}))

    assert await catalog.files() == [CharacterFile("conf.yaml", "Ann"), CharacterFile("bob.yaml", "Bob")]
    assert catalog.base.conf_uid == "ann_001"
    assert (await catalog.load("conf.yaml")).conf_name == "Ann"
    assert (await catalog.load("bob.yaml")).conf_uid == "bob_001"
    with pytest.raises(ConfigError, match="there is no such character file"):
        await catalog.load("eve.yaml")


@pytest.mark.parametrize("make", [disk_catalog, memory_catalog])
async def test_both_catalogs_know_the_engines_of_a_character(
    write: Write, make: Callable[[Path], CharacterCatalog]
) -> None:
    """By name, those that it uses; of any other that it has nothing to say of it."""
    catalog = make(write({"conf.yaml": BASE, "characters/bob.yaml": BOB}))
    ann = await catalog.engine_settings("conf.yaml")
    assert ann.file == "conf.yaml"
    assert ann.choice("tts", "espeak_tts") == catalog.base.tts
    assert ann.choice("asr", "none_such").settings == {}
    assert not is_configured(ann.choice("asr", "none_such"))
    for wrong in ("eve.yaml", "../conf.yaml"):
        with pytest.raises(ConfigError):
            await catalog.engine_settings(wrong)


async def test_an_engine_has_the_settings_of_the_character_over_those_of_the_base(write: Write) -> None:
    """Whether the character uses it or not; a variable that is not set is an error where it is used alone."""
    openai, wyoming = "openai_tts: {model: kokoro, voice: a}", "wyoming_tts: {host: '${NOT_SET}'}"
    voices = f"  tts_config: {{{openai}, {wyoming}, tone_tts: {{}}}}"
    bob = BOB.replace("}", ", tts_config: {openai_tts: {voice: b}}}")
    catalog = disk_catalog(write({"conf.yaml": f"{BASE}{voices}\n", "characters/bob.yaml": bob}))
    settings = await catalog.engine_settings("bob.yaml")
    assert settings.file == "characters/bob.yaml"
    choice = settings.choice("tts", "openai_tts")
    assert choice.settings == {"model": "kokoro", "voice": "b"}
    assert is_configured(choice)
    assert is_configured(settings.choice("tts", "tone_tts"))
    assert not is_configured(settings.choice("tts", "espeak_tts"))
    with pytest.raises(ConfigError, match="NOT_SET"):
        settings.choice("tts", "wyoming_tts")


async def test_an_edit_is_seen_by_the_next_switch(write: Write) -> None:
    """Files are read anew each time, the base too; the base that the server started with stays."""
    path = write({"conf.yaml": BASE, "characters/bob.yaml": BOB})
    catalog = disk_catalog(path)
    before = await catalog.load("bob.yaml")

    write(
        {"conf.yaml": BASE.replace("You are Ann", "Be kind"), "characters/bob.yaml": BOB.replace("Bob", "B.")}
    )
    after = await catalog.load("bob.yaml")

    assert (before.conf_name, before.persona_prompt) == ("Bob", "You are Ann.")
    assert (after.conf_name, after.persona_prompt) == ("B.", "Be kind.")
    assert catalog.base.persona_prompt == "You are Ann."
    assert (await catalog.files())[1] == CharacterFile("bob.yaml", "B.")


async def test_a_list_opens_only_what_has_changed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page asks for it: where nothing was edited, nothing is read, whatever is new or gone."""
    opened, read = list[str](), ConfigFolder.title

    def title(self: ConfigFolder, folder: Path, filename: str) -> str:
        opened.append(filename)
        return read(self, folder, filename)

    monkeypatch.setattr(ConfigFolder, "title", title)
    files = {f"characters/{name}.yaml": BOB.replace("Bob", name) for name in ("a", "b", "c")}
    path = write({"conf.yaml": BASE, **files})
    catalog = disk_catalog(path)
    first = await catalog.files()
    assert opened == ["a.yaml", "b.yaml", "c.yaml"]
    opened.clear()

    assert await catalog.files() == first
    assert opened == []

    (path.parent / "characters" / "a.yaml").unlink()
    write({"characters/b.yaml": BOB.replace("Bob", "Beatrice"), "characters/d.yaml": BOB})
    assert [file.name for file in await catalog.files()] == ["Ann", "Beatrice", "c", "Bob"]
    assert opened == ["b.yaml", "d.yaml"]


async def test_a_file_that_became_a_link_is_named_no_more(write: Write) -> None:
    """Moved out of the folder, with a link in its place: the file is the same, and no character of ours."""
    path = write({"conf.yaml": BASE, "characters/bob.yaml": BOB})
    catalog, bob = disk_catalog(path), path.parent / "characters" / "bob.yaml"
    assert (await catalog.files())[1].name == "Bob"

    bob.rename(path.parent / "elsewhere.yaml")
    bob.symlink_to(path.parent / "elsewhere.yaml")

    assert (await catalog.files())[1].name == "bob.yaml"


async def test_an_edit_of_what_a_character_refers_to_is_seen_too(write: Write) -> None:
    """What is kept between two switches is kept only as long as its file is the same."""
    files = {
        "conf.yaml": "system_config: {tool_prompts: {one: a}}\n" + BASE + "  live2d_model_name: ann\n",
        "prompts/a.txt": "Be brief.",
        "characters/bob.yaml": BOB,
    }
    catalog = disk_catalog(write(files))
    before = await catalog.load("bob.yaml")
    assert await catalog.load("bob.yaml") == before

    write(files | {"prompts/a.txt": "Be kind, now.", "model_dict.json": MODELS.replace("Joy", "Laughter")})
    after = await catalog.load("bob.yaml")
    write(files | {"conf.yaml": files["conf.yaml"].replace("one: a", "one: b"), "prompts/b.txt": "B"})
    other = await catalog.load("bob.yaml")

    assert [each.system_prompt for each in (before, after, other)] == [
        "You are Ann.\n\nBe brief.", "You are Ann.\n\nBe kind, now.", "You are Ann.\n\nB",
    ]  # fmt: skip
    assert [next(iter(each.emotions)) for each in (before, after, other)] == ["joy", "laughter", "joy"]


async def test_a_file_that_a_server_setting_names_is_looked_for_each_time(write: Write) -> None:
    """It may have gone although ``conf.yaml`` is the same."""
    system = "system_config: {tls_key: key.pem, tls_certificate: cert.pem}\n"
    path = write({"conf.yaml": system + BASE, "key.pem": "", "cert.pem": "", "characters/bob.yaml": BOB})
    catalog = disk_catalog(path)
    await catalog.load("bob.yaml")

    (path.parent / "key.pem").unlink()

    with pytest.raises(ConfigError, match=r"tls_key: there is no file 'key\.pem'"):
        await catalog.load("bob.yaml")


def test_a_character_made_by_a_program_can_be_sent() -> None:
    """Its defaults are what the wire can carry."""
    eve = CharacterConfig("eve.yaml", "Eve", "eve", EngineChoice("llm", "x"), EngineChoice("tts", "x"))

    message = encode(SetModelAndConf(eve.model_info, eve.conf_name, eve.conf_uid, "a client"))

    assert b'"model_info":{}' in message


async def test_a_broken_file_is_listed_by_its_name_and_says_what_is_wrong(write: Write) -> None:
    """Who chooses it learns the line; the others are as they were."""
    path = write({"conf.yaml": BASE, "characters/b.yaml": "a: [\n", "characters/c.yaml": BOB})
    catalog = disk_catalog(path)

    assert [file.name for file in await catalog.files()] == ["Ann", "b.yaml", "Bob"]
    with pytest.raises(ConfigError, match=r"^characters/b\.yaml:2: not valid YAML"):
        await catalog.load("b.yaml")
    assert (await catalog.load("c.yaml")).conf_name == "Bob"


@pytest.mark.parametrize(
    "filename",
    [
        "../secret.yaml",
        "/etc/passwd",
        "sub/deep.yaml",
        "..\\secret.yaml",
        "C:secret.yaml",
        "bob.yaml\0.yaml",
        "..",
        "",
        "notes.txt",
        "bob.yaml/",
        "folder.yaml",
        "link.yaml",
        "a" * 300 + ".yaml",
        "\ud800.yaml",
    ],
)
async def test_nothing_outside_the_folder_can_be_asked_for(write: Write, filename: str) -> None:
    """Only the plain name of a file in the folder is opened; not what it links to elsewhere."""
    outside = "character_config: {conf_name: Secret}\n"
    names = ("secret.yaml", "characters/sub/deep.yaml", "characters/notes.txt", "characters/folder.yaml/x")
    path = write({"conf.yaml": BASE, "characters/bob.yaml": BOB, **dict.fromkeys(names, outside)})
    for name in ("..\\secret.yaml", "C:secret.yaml"):
        # Harmless names here, paths on Windows: refused everywhere, so that a folder can move.
        (path.parent / "characters" / name).write_text(BOB)
    (path.parent / "characters" / "link.yaml").symlink_to(path.parent / "secret.yaml")

    with pytest.raises(ConfigError) as caught:
        await disk_catalog(path).load(filename)

    assert len(str(caught.value)) < 250
    assert str(path.parent) not in str(caught.value)


async def test_a_wrong_base_is_named_when_a_character_is_chosen(write: Write) -> None:
    """An edit that broke the base keeps every switch from happening, and says why."""
    path = write({"conf.yaml": BASE, "characters/bob.yaml": BOB})
    catalog = disk_catalog(path)
    write({"conf.yaml": f"system_config: {{port: 0x}}\n{BASE}"})

    with pytest.raises(ConfigError, match=r"^conf\.yaml:1: system_config\.port: got '0x'"):
        await catalog.load("bob.yaml")


async def test_a_warning_is_logged_once(write: Write) -> None:
    """The base's were said at the start; a character's are said when it is first loaded."""
    bob = BOB.replace("}", ", colour: red}")
    catalog = disk_catalog(write({"conf.yaml": BASE + "  hobby: chess\n", "characters/bob.yaml": bob}))
    said: list[str] = []
    sink = logger.add(lambda message: said.append(message.record["message"]), level="WARNING")

    try:
        await catalog.load("bob.yaml")
        await catalog.load("bob.yaml")
    finally:
        logger.remove(sink)

    assert said == [
        "characters/bob.yaml:1: character_config.colour: this key is not known; it changes nothing"
    ]


async def test_an_abandoned_thread_shares_nothing_with_the_next(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may wake up at any time, and go on with the folder that it has."""
    catalog = disk_catalog(write({"conf.yaml": BASE, "characters/bob.yaml": BOB, "characters/eve.yaml": BOB}))
    answers, used = threading.Event(), list[ConfigFolder]()
    character = ConfigFolder.character

    def stuck(self: ConfigFolder, filename: str, findings: Findings) -> object:
        used.append(self)
        if filename == "eve.yaml":
            answers.wait(20)
        return character(self, filename, findings)

    monkeypatch.setattr(ConfigFolder, "character", stuck)
    monkeypatch.setattr("trio_backend.config.catalog.FILE_TIMEOUT", 0.2)
    try:
        with pytest.raises(ConfigError, match=r"^eve\.yaml: could not be read within 0.2 s"):
            await catalog.load("eve.yaml")
        monkeypatch.setattr("trio_backend.config.catalog.FILE_TIMEOUT", 20)
        await catalog.load("bob.yaml")
        await catalog.load("bob.yaml")
    finally:
        answers.set()

    assert used[0] is not used[1]
    assert used[1] is used[2]
