"""`switch`: a user who tries one slow character after the other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import trio

from ...client.messages import ListedCharacter, ReceivedConfigFiles
from ...protocol.incoming import FetchConfigs, SwitchConfig
from ..client import TimedClient
from ..context import ScenarioContext, stand_in_file, steady_checks
from ..outcome import Check, ScenarioOutcome, ratio
from ..stand_ins import HEAVY

QUICK_SWITCHES = 10
# As fast as a hand clicks through a list.
BETWEEN = 0.03
LONGER = 5.0  # %


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """How long the last of ten quick switches takes, compared with a single one."""
    characters = [stand_in_file(file) for file in HEAVY] if context.own else await _characters(context)
    if len(characters) < 3:
        return ScenarioOutcome("switch", skipped="the server has fewer than three characters")
    before = await context.sample()
    single, last, later = [], [], []
    with context.share() as share:
        sooner = await context.first_sounds()
        for number in range(context.plan.switch_rounds):
            context.progress(f"round {number + 1} of {context.plan.switch_rounds}")
            async with context.connect() as client:
                with trio.fail_after(2 * context.plan.sound_timeout):
                    single.append(await client.switch_to(characters[0]))
                    last.append(await switch_quickly(client, characters))
            later.append(await context.first_sound())
    longer = max(0.0, 100 * (ratio(last, single) - 1))
    checks = [
        Check("the last of ten quick switches takes longer by", longer, "%", LONGER),
        Check("a single switch", 1000 * median(single), "ms"),
        *steady_checks(context, sooner, later),
        *await context.left_over(before),
    ]
    return ScenarioOutcome("switch", checks, client_share=share.share)


async def switch_quickly(client: TimedClient, characters: Sequence[ListedCharacter]) -> float:
    """Switch quickly, and wait for the character that was chosen last; how long that one took."""
    for number in range(QUICK_SWITCHES - 1):
        await client.send(SwitchConfig(characters[1 - number % 2].filename))
        await trio.sleep(BETWEEN)
    return await client.switch_to(characters[2])


async def _characters(context: ScenarioContext) -> Sequence[ListedCharacter]:
    """Those of the server, without the one that it starts with; none if it does not list them."""
    files = ReceivedConfigFiles([])
    with trio.move_on_after(context.plan.sound_timeout / 10):
        async with context.connect() as client:
            await client.send(FetchConfigs())
            files = await client.wait_for(ReceivedConfigFiles)
    return [character for character in files.configs if character.filename != "conf.yaml"]
