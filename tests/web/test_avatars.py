"""The avatars of the shipped characters: each looks different, and shows each emotion."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from tests.web.test_appearance import SHOTS

CONF = Path(__file__).parents[2] / "conf"
WORN = {"Iris": [], "Barnaby": ["monocle", "tie", "whiskers"], "米娅": [], "Kito": ["visor", "antenna"]}
THINGS = sorted(thing for things in WORN.values() for thing in things)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with the configuration that comes with the package, and the embedded TTS."""
    folder = tmp_path_factory.mktemp("shipped")
    page_server = build_page_server(folder)
    shutil.copytree(CONF, folder, dirs_exist_ok=True)
    conf = folder / "conf.yaml"
    conf.write_text(conf.read_text("utf-8").replace("port: 12393", f"port: {page_server.port}"), "utf-8")
    page_server.start()
    yield page_server
    page_server.kill()


@pytest.mark.parametrize("name", WORN)
def test_each_character_wears_what_is_theirs(browser: Browser, shipped: PageServer, name: str) -> None:
    """As words in the model dictionary say; no avatar has what belongs to another."""
    user = PageUser(browser.new_page())
    user.open(shipped.url)
    if name != "Iris":
        user.page.click("#open-characters")
        user.find("#character-list .item").filter(has_text=name).get_by_role("button").click()
    expect(user.find("#name")).to_have_text(name)

    expect(user.find("#face")).to_be_visible()
    seen = [thing for thing in THINGS if user.find(f"#face .{thing}").is_visible()]
    assert seen == sorted(WORN[name])
    assert user.wrong == []
    user.page.close()


@pytest.mark.parametrize("shot", ["page", "phone"])
def test_iris_smiles_while_she_speaks(
    browser: Browser, shipped: PageServer, tmp_path: Path, shot: str
) -> None:
    """The page of the README: a conversation, a feeling, a mouth that is open in the middle of a sentence."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("there is no espeak-ng on this machine")
    size = {"page": (1280, 800), "phone": (390, 844)}[shot]
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    user = PageUser(context.new_page())
    user.open(shipped.url)
    user.type("Hello! My name is Ada.")
    user.wait_quiet()
    user.type("Tell me a story about the sea.")
    expect(user.find("#face")).to_have_attribute("data-feeling", "joy")
    user.page.wait_for_selector(".ai:last-child .sentence:nth-of-type(2).now")
    # Playwright's own wait would be code in the page, which the page's policy forbids.
    user.until(lambda: user.page.evaluate("document.querySelector('#mouth').getBBox().height > 22"))
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"{shot}.png")

    assert "Ada" in " ".join(user.texts(".ai .words"))
    assert user.wrong == []
    context.close()
