"""`look_at_engines`: which engines are usable here and now, and what the others lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

import attrs
import trio

from ..config.character import EngineChoice, EngineKind
from ..config.engine_sections import EngineSettings
from ..errors import ConfigError, SettingsError, UnknownEngine
from .openai.configs import Endpoint
from .registry import EngineConfig, configure, known, missing, missing_modules
from .settings import Environment

ANSWERS_WITHIN = 0.5
"""Seconds that a server on this machine may take to accept a connection; it takes less than a millisecond."""

FILLED_IN = "to-be-set"
"""What stands in for a setting that is missing, to find out what else is."""

MOST_WRONG = 8
"""Rounds of that; no engine has as many settings without which it cannot be."""


@attrs.frozen
class FoundEngine:
    """One engine. ``missing`` is what it lacks here and now, each with what to do; usable ones lack nothing.

    ``choice`` are its settings in the configuration; None where they name a variable that is not set.
    """

    kind: EngineKind
    name: str
    choice: EngineChoice | None
    config: EngineConfig | None
    missing: Sequence[str]


async def look_at_engines(
    settings: EngineSettings,
    kinds: Iterable[EngineKind],
    environment: Environment,
    only: Collection[str] = (),
    limiter: trio.CapacityLimiter | None = None,
) -> list[FoundEngine]:
    """All engines of ``kinds``, by kind and name, each with its ``settings``; or those whose names are given.

    All of them take 30 ms, and half a second when it is done for the first time, since each adapter is
    imported; one takes less than a millisecond. Servers on this machine are asked whether they accept a
    connection; nothing else is asked or opened. The disk is looked at in a thread, one of those that
    ``limiter`` allows, and a cancel does not wait for it.
    """
    look = partial(_look_at_all, settings, kinds, environment, only)
    found = await trio.to_thread.run_sync(look, abandon_on_cancel=True, limiter=limiter)
    down: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for address in {endpoint.address for endpoint in map(_endpoint, found) if endpoint}:
            nursery.start_soon(_ask, address, down, name=f"is {address} there?")
    return [attrs.evolve(each, missing=[*each.missing, *_not_there(each, down)]) for each in found]


def _look_at_all(
    settings: EngineSettings, kinds: Iterable[EngineKind], environment: Environment, only: Collection[str]
) -> list[FoundEngine]:
    return [_look(settings, kind, name, environment) for kind in kinds for name in only or known(kind)]


def _look(settings: EngineSettings, kind: EngineKind, name: str, environment: Environment) -> FoundEngine:
    modules, choice = missing_modules(kind, name), None
    try:
        choice = settings.choice(kind, name)
        config = configure(kind, name, choice.settings, environment=environment)
    except UnknownEngine as error:
        return FoundEngine(kind, name, choice, None, [modules or str(error)])
    except SettingsError as error:
        assert choice is not None
        wrong = _wrong(choice, environment, error)
        return FoundEngine(kind, name, choice, None, [*filter(None, [modules]), *wrong])
    except ConfigError as error:
        return FoundEngine(kind, name, choice, None, str(error).splitlines())
    return FoundEngine(kind, name, choice, config, missing(config))


def _wrong(choice: EngineChoice, environment: Environment, error: SettingsError) -> Iterator[str]:
    """All settings that are wrong or missing: an adapter may say one after the other."""
    settings = dict(choice.settings)
    for _ in range(MOST_WRONG):
        if settings.get(error.key) == FILLED_IN:
            return
        for wrong in (error, *error.others):
            yield f"{wrong.key} {wrong.message}"
            settings[wrong.key] = FILLED_IN
        try:
            configure(choice.kind, choice.name, settings, environment=environment)
            return
        except UnknownEngine:
            return
        except SettingsError as further:
            error = further


def _endpoint(found: FoundEngine) -> Endpoint | None:
    """Where a server of this machine has to be, for the engine to be usable."""
    endpoint = getattr(found.config.settings, "endpoint", None) if found.config else None
    return endpoint if isinstance(endpoint, Endpoint) and endpoint.is_local else None


async def _ask(address: str, down: dict[str, str]) -> None:
    host, _, port = address.rpartition(":")
    try:
        with trio.fail_after(ANSWERS_WITHIN):
            stream = await trio.open_tcp_stream(host, int(port))
    except (OSError, trio.TooSlowError):
        down[address] = f"no server answers at {address}"
    else:
        await trio.aclose_forcefully(stream)


def _not_there(found: FoundEngine, down: Mapping[str, str]) -> Iterator[str]:
    endpoint = _endpoint(found)
    if endpoint and endpoint.address in down:
        remedy = endpoint.provider.start or f"start it, or correct {endpoint.url_setting}"
        yield f"{down[endpoint.address]}: {remedy}"
