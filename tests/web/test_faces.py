"""The shipped characters: each has a face of its own, and each feeling shows in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.house import House, build_house
from tests.web.test_looks import SHOTS
from tests.web.visitor import Visitor

CONF = Path(__file__).parents[2] / "conf"
WORN = {"Iris": [], "Barnaby": ["monocle", "tie", "whiskers"], "米娅": [], "Kito": ["visor", "antenna"]}
THINGS = sorted(thing for things in WORN.values() for thing in things)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with the configuration that comes with the package, and the embedded voice."""
    folder = tmp_path_factory.mktemp("shipped")
    house = build_house(folder)
    shutil.copytree(CONF, folder, dirs_exist_ok=True)
    conf = folder / "conf.yaml"
    conf.write_text(conf.read_text("utf-8").replace("port: 12393", f"port: {house.port}"), "utf-8")
    house.start()
    yield house
    house.kill()


@pytest.mark.parametrize("name", WORN)
def test_each_character_wears_what_is_theirs(browser: Browser, shipped: House, name: str) -> None:
    """Words in the model dictionary dress the face, and nobody has what belongs to another."""
    visitor = Visitor(browser.new_page())
    visitor.arrive(shipped.url)
    if name != "Iris":
        visitor.page.click("#open-characters")
        visitor.find("#character-list .item").filter(has_text=name).get_by_role("button").click()
    expect(visitor.find("#name")).to_have_text(name)

    expect(visitor.find("#face")).to_be_visible()
    seen = [thing for thing in THINGS if visitor.find(f"#face .{thing}").is_visible()]
    assert seen == sorted(WORN[name])
    assert visitor.wrong == []
    visitor.page.close()


@pytest.mark.parametrize("shot", ["page", "phone"])
def test_iris_smiles_while_she_speaks(browser: Browser, shipped: House, tmp_path: Path, shot: str) -> None:
    """The page of the README: a conversation, a feeling, a mouth that is open in the middle of a sentence."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("there is no espeak-ng on this machine")
    size = {"page": (1280, 800), "phone": (390, 844)}[shot]
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    visitor = Visitor(context.new_page())
    visitor.arrive(shipped.url)
    visitor.type("Hello! My name is Ada.")
    visitor.wait_quiet()
    visitor.type("Tell me a story about the sea.")
    expect(visitor.find("#face")).to_have_attribute("data-feeling", "joy")
    visitor.page.wait_for_selector(".ai:last-child .sentence:nth-of-type(2).now")
    # Playwright's own wait would be code in the page, which the page's policy forbids.
    visitor.until(lambda: visitor.page.evaluate("document.querySelector('#mouth').getBBox().height > 22"))
    visitor.page.screenshot(path=Path(SHOTS or tmp_path) / f"{shot}.png")

    assert "Ada" in " ".join(visitor.words(".ai .words"))
    assert visitor.wrong == []
    context.close()
