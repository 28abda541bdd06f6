"""Engines on the page: a voice tried and chosen, and what is said of a recogniser that understands little."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.web.conftest import SOUND_FROM_THE_START, open_browser
from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import LONG, PageUser
from tests.web.recorder import record, recording
from tests.web.stand_in import Samples
from trio_backend.engines.tts.espeak_installed import find_espeak
from trio_backend.engines.tts.tone import NOTE
from trio_backend.errors import NoVoice

SHOTS = os.environ.get("TRIO_BACKEND_SCREENSHOTS", "")
ROWS = "#engines .list > .item"
RATE = 48_000
SIMPLE = "understands only simple English"

try:
    find_espeak()
except NoVoice:
    pytest.skip("there is no espeak-ng on this machine", allow_module_level=True)


@attrs.define(eq=False)
class Opened:
    """A page with its sheet of engines."""

    user: PageUser

    def row(self, name: str) -> Any:
        return self.user.find(ROWS).filter(has=self.user.page.get_by_text(name, exact=True))

    def press(self, name: str, does: str) -> None:
        self.row(name).get_by_role("button", name=f"{does} {name}").click()

    def received(self, kind: str) -> list[dict[str, Any]]:
        return [message for _, message in self.user.received if message["type"] == kind]


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server whose operator may choose engines; the browser is on the same machine."""
    yield from serving(tmp_path_factory.mktemp("operators"), ", choose_engines: operator")


@pytest.fixture(scope="module")
def everyones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """One whose visitors may, too; the origin that is listed makes the browser a visitor."""
    system = ", choose_engines: everyone, allowed_origins: [localhost, 'https://example.org']"
    yield from serving(tmp_path_factory.mktemp("everyones"), system)


def serving(folder: Path, system: str) -> Iterator[PageServer]:
    page_server = build_page_server(folder, system=system)
    conf = folder / "conf.yaml"
    text = conf.read_text("utf-8").replace("tone_tts: {", "espeak_tts: {speed: 300}, tone_tts: {")
    conf.write_text(text, "utf-8")
    page_server.start()
    yield page_server
    page_server.kill()


def opened(browser: Browser, page_server: PageServer, *, listen: bool = False, **options: Any) -> Opened:
    """The sheet is open, and has its list. With ``listen`` what is played is recorded."""
    user = PageUser(browser.new_context(**{"locale": "en", **options}).new_page())
    user.page.set_default_timeout(30_000)
    if listen:
        record(user.page, RATE)
    user.open(page_server.url)
    user.page.click("#open-settings")
    user.page.click("#open-engines")
    user.page.wait_for_selector(ROWS)
    return Opened(user)


def close(page: Opened) -> None:
    """Nothing was wrong: no error of the page, nothing that its policy forbids."""
    page.user.page.context.close()
    assert page.user.wrong == []


def test_a_voice_is_tried_and_chosen(browser: Browser, operators: PageServer) -> None:
    """The trial leaves the conversation alone; an operator is told what would make the choice permanent."""
    page = opened(browser, operators)
    page.press("espeak_tts", "Try")
    expect(page.row("espeak_tts").locator(".outcome")).to_contain_text("Loaded in")
    assert page.user.texts(".entry") == []

    page.press("espeak_tts", "Use")
    expect(page.row("espeak_tts").locator(".under").first).to_have_text("in use")
    expect(page.row("tone_tts").locator(".under").first).to_have_text("the character's own")
    # The file by its name, and the key; nothing was written.
    expect(page.row("espeak_tts").locator(".outcome")).to_contain_text("To keep it, write in conf.yaml:")
    lines = page.row("espeak_tts").locator("code").inner_text()
    assert lines == "character_config:\n  tts_config:\n    tts_model: espeak_tts"
    assert "tts_model: tone_tts" in (operators.folder / "conf.yaml").read_text("utf-8")
    close(page)


def test_what_was_chosen_is_heard(browser: Browser, operators: PageServer) -> None:
    """The character hums, a trial speaks, the character hums on; chosen, the voice speaks its replies."""
    page = opened(browser, operators, listen=True, bypass_csp=True)
    user = page.user

    def played() -> float:
        """How much of what was played since the last call is a hum, from 0 to 1."""
        user.page.wait_for_timeout(300)
        sound = recording(user.page, RATE).sound
        user.page.evaluate("tap.chunks = []")
        assert np.max(np.abs(sound)) > 0.01
        return humming(sound)

    def reply() -> float:
        for _ in range(2):
            user.page.keyboard.press("Escape")
        user.type("Hello there, this is what I say.")
        user.wait_quiet()
        user.page.click("#open-settings")
        user.page.click("#open-engines")
        return played()

    user.page.evaluate("tap.ready")
    assert reply() > 0.8
    page.press("espeak_tts", "Try")
    expect(page.row("espeak_tts").locator(".outcome")).to_contain_text("Loaded in")
    user.page.wait_for_timeout(3000)
    assert played() < 0.3
    assert reply() > 0.8
    page.press("espeak_tts", "Use")
    expect(page.row("espeak_tts").locator(".under").first).to_have_text("in use")
    assert reply() < 0.3
    assert user.find("#log .human").count() == 3
    close(page)


def test_the_other_page_keeps_its_voice_and_a_switch_resets(browser: Browser, operators: PageServer) -> None:
    """A choice is that of one page, for one character."""
    ann, bob = opened(browser, operators), opened(browser, operators)
    ann.press("espeak_tts", "Use")
    expect(ann.row("espeak_tts").locator(".under").first).to_have_text("in use")
    bob.user.page.keyboard.press("Escape")
    bob.user.page.click("#open-engines")
    expect(bob.row("tone_tts").locator(".under").first).to_contain_text("in use")

    for _ in range(2):
        ann.user.page.keyboard.press("Escape")
    ann.user.page.click("#open-characters")
    ann.user.find("#character-list .item").filter(has_text="ann.yaml").get_by_role("button").click()
    ann.user.until(lambda: bool(ann.received("config-switched")))
    ann.user.page.keyboard.press("Escape")
    ann.user.page.click("#open-settings")
    ann.user.page.click("#open-engines")
    expect(ann.row("tone_tts").locator(".under").first).to_contain_text("in use")
    close(ann)
    close(bob)


def test_a_choice_during_a_reply_cuts_nothing_off(browser: Browser, operators: PageServer) -> None:
    """What is being said is said to its end."""
    page = opened(browser, operators)
    for _ in range(2):
        page.user.page.keyboard.press("Escape")
    page.user.type(LONG)
    page.user.page.wait_for_selector("#app[data-turn=speaking]")
    page.user.page.click("#open-settings")
    page.user.page.click("#open-engines")
    page.press("espeak_tts", "Use")
    page.user.until(lambda: bool(page.received("engine-chosen")))
    assert page.user.page.evaluate("app.dataset.turn") == "speaking"
    page.user.page.wait_for_selector("#app[data-turn=idle]")
    assert page.user.says("interrupt-signal") == []
    assert page.user.find(".ai .cut").count() == 0
    close(page)


def test_a_model_and_a_recogniser_are_tried(playwright: Playwright, operators: PageServer) -> None:
    """The model answers; the recogniser gets two seconds of the microphone, and the conversation nothing."""
    pytest.importorskip("pocketsphinx", reason="the embedded recogniser is not installed")
    with open_browser(playwright, SOUND_FROM_THE_START) as browser:
        page = opened(browser, operators)
        page.press("scripted_llm", "Try")
        expect(page.row("scripted_llm").locator(".outcome")).to_contain_text("Loaded in")
        page.press("pocketsphinx_asr", "Try")
        expect(page.row("pocketsphinx_asr").locator(".outcome")).to_contain_text("two seconds")
        expect(page.row("pocketsphinx_asr").locator(".outcome")).to_contain_text("Loaded in", timeout=60_000)
        asked = page.user.says("try-engine")[-1]
        assert len(b64decode(asked["audio"])) == 2 * 32_000
        assert page.user.says("raw-audio-data") == page.user.says("mic-audio-end") == []
        assert page.user.bytes_sent == 0
        assert page.user.texts(".entry") == []
        close(page)


def test_a_trial_can_be_stopped(browser: Browser, operators: PageServer) -> None:
    """By its button, and by closing the sheet."""
    page = opened(browser, operators)
    page.press("pocketsphinx_asr", "Try")
    page.press("pocketsphinx_asr", "Stop")
    expect(page.row("pocketsphinx_asr").get_by_role("button", name="Try pocketsphinx_asr")).to_be_visible()
    page.press("espeak_tts", "Try")
    page.user.page.keyboard.press("Escape")
    page.user.until(lambda: len(page.user.says("stop-trying")) >= 1)
    close(page)


def test_an_operator_sees_what_is_missing(browser: Browser, operators: PageServer) -> None:
    """With the command that mends it, which can be copied."""
    page = opened(browser, operators)
    lacking = page.user.find("#engines details[data-kind=tts]")
    lacking.locator("summary").click()
    piper = lacking.locator(".item").filter(has=page.user.page.get_by_text("piper_tts", exact=True))
    expect(piper).to_contain_text("models/piper")
    assert piper.get_by_role("button").count() == 0
    assert page.user.find("#engines code").count() > 3
    close(page)


def test_a_visitor_sees_usable_engines_and_no_more(browser: Browser, everyones: PageServer) -> None:
    """No path, no command, no setting, and nothing of what the operator has not written down."""
    page = opened(browser, everyones)
    names = page.user.texts("#engines .title")
    assert {"espeak_tts", "tone_tts", "echo_llm"} <= set(names)
    assert not {"piper_tts", "edge_tts", "whisper_cpp", "openai_llm"} & set(names)
    assert page.user.find("#engines details, #engines code").count() == 0
    page.press("espeak_tts", "Use")
    expect(page.row("espeak_tts").locator(".outcome")).to_have_text("In use from the next answer on.")
    close(page)


def test_nothing_of_it_is_there_where_it_is_off(browser: Browser, page_server: PageServer) -> None:
    """As by default: no button, and none of its files is loaded, here or before it is opened."""
    user = PageUser(browser.new_page(locale="en"))
    loaded: list[str] = []
    user.page.on("request", lambda request: loaded.append(request.url))
    user.open(page_server.url)
    user.page.click("#open-settings")
    expect(user.find("#set-volume")).to_be_visible()
    expect(user.find("#open-engines")).to_be_hidden()
    assert [url for url in loaded if "/engines/" in url] == []
    assert user.wrong == []
    user.page.context.close()


def test_its_files_load_when_it_is_opened(browser: Browser, operators: PageServer) -> None:
    """So that the page itself stays small."""
    user = PageUser(browser.new_page(locale="en"))
    loaded: list[str] = []
    user.page.on("request", lambda request: loaded.append(request.url))
    user.open(operators.url)
    user.page.click("#open-settings")
    expect(user.find("#open-engines")).to_be_visible()
    assert [url for url in loaded if "/engines/" in url] == []
    user.page.click("#open-engines")
    user.page.wait_for_selector(ROWS)
    files = {url.rpartition("/")[2] for url in loaded if "/engines/" in url}
    assert files == {"engines.js", "engines.css", "words.js"}
    assert user.wrong == []
    user.page.context.close()


def test_a_lost_connection_ends_a_trial_and_the_choice(browser: Browser, operators: PageServer) -> None:
    """The server that comes back knows nothing of it, and the sheet says so."""
    page = opened(browser, operators)
    page.press("espeak_tts", "Use")
    expect(page.row("espeak_tts").locator(".under").first).to_have_text("in use")
    operators.kill()
    page.user.page.wait_for_selector("#app[data-link=lost]")
    operators.start()
    page.user.page.wait_for_selector("#app[data-link=open]")
    expect(page.row("tone_tts").locator(".under").first).to_contain_text("in use")
    close(page)


@pytest.mark.parametrize("language", ["en", "zh", "ja"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (320, 640)])
def test_it_fits_every_screen_in_every_language(
    browser: Browser, operators: PageServer, tmp_path: Path, language: str, width: int, height: int
) -> None:
    """Nothing is wider than the screen, light or dark; names and buttons have their room; axe agrees."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    theme = "dark" if width == 390 else "light"
    screen: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": theme}
    page = opened(browser, operators, **screen, locale=language, reduced_motion="reduce")
    row = page.row("espeak_tts")
    row.get_by_role("button").nth(1).click()
    expect(row.locator("code")).to_be_visible()
    page.user.page.wait_for_timeout(200)
    page.user.page.screenshot(path=Path(SHOTS or tmp_path) / f"engines-{width}-{theme}-{language}.png")
    for details in page.user.find("#engines summary").all():
        details.click()
    wide = page.user.page.evaluate("[...document.querySelectorAll('#engines, #engines *')].filter(one => "
                                   "one.getBoundingClientRect().right > innerWidth + 1).length")  # fmt: skip
    assert wide == 0
    assert page.user.page.evaluate("engines.scrollWidth <= engines.clientWidth")
    found = axe.run(page.user.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    close(page)


def test_the_keyboard_reaches_it_and_keeps_its_place(browser: Browser, operators: PageServer) -> None:
    """The list is made anew after each answer, and the focus stays where it was."""
    page = opened(browser, operators)
    button = page.row("espeak_tts").get_by_role("button", name="Try espeak_tts")
    button.focus()
    page.user.page.keyboard.press("Enter")
    expect(page.row("espeak_tts").locator(".outcome")).to_contain_text("Loaded in")
    expect(button).to_be_focused()
    close(page)


# The embedded recogniser.


def test_what_understands_little_is_said_where_one_speaks(
    playwright: Playwright, operators: PageServer, everyones: PageServer, tmp_path: Path
) -> None:
    """When the microphone is switched on, once; and in the settings, to the operator with what is better."""
    with open_browser(playwright, SOUND_FROM_THE_START) as browser:
        for page_server, better in ((operators, True), (everyones, False)):
            user = PageUser(browser.new_page(locale="en"))
            user.open(page_server.url)
            told: list[list[str]] = []
            for _ in range(2):
                user.page.click("#mic")
                user.page.wait_for_selector("#mic[aria-pressed=true]")
                user.page.wait_for_timeout(500)
                told.append(user.texts(".notice p"))
                for away in user.find(".notice button").all():
                    away.click()
                user.page.click("#mic")
                user.page.wait_for_selector("#mic[aria-pressed=false]")
            (first,), second = told
            assert SIMPLE in first
            assert second == []
            user.page.click("#open-settings")
            expect(user.find("#recogniser")).to_contain_text(SIMPLE)
            assert ("sherpa_onnx_asr" in user.find("#recogniser").inner_text()) is better
            if SHOTS:
                user.page.screenshot(
                    path=Path(SHOTS) / f"recogniser-{'operator' if better else 'visitor'}.png"
                )
            user.page.select_option("#set-language", "ja")
            expect(user.find("#recogniser")).to_contain_text("簡単な英語")
            assert user.wrong == []
            user.page.context.close()


def humming(sound: Samples) -> float:
    """The share of its energy that is at the note of `tone_tts`."""
    energy = np.abs(np.fft.rfft(sound)) ** 2
    at = round(NOTE * len(sound) / RATE)
    # Within 10 Hz: a sentence that begins and ends smears it.
    near = 10 * len(sound) // RATE
    return float(energy[at - near : at + near].sum() / energy.sum())
