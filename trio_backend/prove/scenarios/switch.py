"""`switch`: somebody tries one slow character after the other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import trio

from ..outcome import Check, Outcome, ratio
from ..stage import Stage, own_choice, steady
from ..stand_ins import HEAVY
from ..visitor import Choice, Heard, Visitor

QUICK_SWITCHES = 10
# As fast as a hand clicks through a list.
BETWEEN = 0.03


async def play(stage: Stage) -> Outcome:
    """How long the last of ten quick switches takes, compared with a single one."""
    choices = [own_choice(file) for file in HEAVY] if stage.own else await _characters(stage)
    if len(choices) < 3:
        return Outcome("switch", skipped="the server has fewer than three characters")
    before = await stage.probe.look()
    single, last, later = [], [], []
    with stage.share() as share:
        sooner = await stage.first_sounds()
        for number in range(stage.plan.switch_rounds):
            stage.tell(f"round {number + 1} of {stage.plan.switch_rounds}")
            async with stage.visit() as visitor:
                with trio.fail_after(2 * stage.plan.patience):
                    single.append(await visitor.become(choices[0]))
                    last.append(await change_mind(visitor, choices))
            later.append(await stage.first_sound())
    checks = [
        Check("the last of ten quick switches takes longer by", _percent(last, single), "%", 5),
        Check("a single switch", 1000 * median(single), "ms"),
        *steady(stage, sooner, later),
        *await stage.probe.left_over(before),
    ]
    return Outcome("switch", checks, client_share=share.share)


def _percent(after: Sequence[float], before: Sequence[float]) -> float:
    return max(0.0, 100 * (ratio(after, before) - 1))


async def change_mind(visitor: Visitor, choices: Sequence[Choice]) -> float:
    """Switch quickly, and wait for the character that was chosen last; how long that one took."""
    for number in range(QUICK_SWITCHES - 1):
        await visitor.say("switch-config", file=choices[1 - number % 2].file)
        await trio.sleep(BETWEEN)
    return await visitor.become(choices[2])


async def _characters(stage: Stage) -> list[Choice]:
    """Those that the server has; none if it does not say."""
    heard = Heard("")
    with trio.move_on_after(stage.plan.patience / 10):
        async with stage.visit() as visitor:
            await visitor.say("fetch-configs")
            heard = await visitor.until("config-files")
    return [choice for choice in _choices(heard) if choice.file != "conf.yaml"]


def _choices(heard: Heard) -> list[Choice]:
    configs = heard.configs if isinstance(heard.configs, list) else []
    return [
        Choice(str(config["filename"]), str(config["name"]))
        for config in configs
        if isinstance(config, dict) and {"filename", "name"} <= config.keys()
    ]
