"""Leases: who opens an engine, who shares it, and when it is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import attrs
import pytest
import trio
from loguru import logger

from trio_backend.engines.leases import Leases
from trio_backend.engines.registry import Adapter, EngineConfig
from trio_backend.errors import EngineError, first_leaf


@attrs.frozen
class SlowSettings:
    """An engine that takes time to open and to close."""

    name: str = "slow"
    load: float = 5.0
    close: float = 0.0


def slow(name: str = "slow", *, load: float = 5.0, close: float = 0.0) -> EngineConfig:
    """Its configuration; who opens it is the `FakeEngines`, and not the adapter."""
    return EngineConfig("llm", name, SlowSettings(name, load, close), cast(Adapter, None))


@attrs.define(eq=False)
class FakeEngines:
    """Opens engines and writes down what happened, and when."""

    log: list[str] = attrs.field(factory=list)
    failure: BaseException | None = None
    breakdown: trio.Event = attrs.field(factory=trio.Event)

    def note(self, what: str) -> None:
        self.log.append(f"{trio.current_time():g} {what}")

    @asynccontextmanager
    async def open(self, config: EngineConfig) -> AsyncIterator[object]:
        settings = config.settings
        assert isinstance(settings, SlowSettings)
        self.note(f"load {config.name}")
        try:
            await trio.sleep(settings.load)
            if self.failure is not None:
                raise self.failure
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.break_down)
                self.note(f"open {config.name}")
                yield object()
        finally:
            if settings.close:
                with trio.CancelScope(shield=True):
                    await trio.sleep(settings.close)
            self.note(f"closed {config.name}")

    async def break_down(self) -> None:
        await self.breakdown.wait()
        raise EngineError("the graphics card caught fire")


@asynccontextmanager
async def open_leases(fake_engines: FakeEngines) -> AsyncIterator[Leases]:
    """Leases of the fake_engines, in a nursery of their own that ends with the block."""
    async with trio.open_nursery() as nursery:
        yield Leases(nursery, fake_engines.open)
        nursery.cancel_scope.cancel()


async def lease_in_vain(leases: Leases, config: EngineConfig) -> None:
    """Wait for an engine that must not become ready."""
    async with leases.lease(config):
        raise AssertionError("it was not to be ready")


async def test_who_holds_an_engine_has_a_name(autojump_clock: object) -> None:
    """An operator sees which tasks keep an engine open, and each only as long as it does."""
    async with open_leases(FakeEngines()) as leases, trio.open_nursery() as nursery:

        async def hold(seconds: float) -> None:
            async with leases.lease(slow()):
                await trio.sleep(seconds)

        nursery.start_soon(hold, 10, name="ann")
        nursery.start_soon(hold, 20, name="bob")
        await trio.sleep(6)
        assert [sorted(one.lessees) for one in leases.statistics().engines] == [["ann", "bob"]]
        await trio.sleep(10)
        assert [one.lessees for one in leases.statistics().engines] == [("bob",)]


async def test_equal_configs_share_one_engine(autojump_clock: object) -> None:
    """The second lease of an equal config waits for nothing and gets the same object."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases, leases.lease(slow()) as first:
        assert trio.current_time() == 5
        async with leases.lease(slow()) as second:
            assert trio.current_time() == 5
            assert first is second
            assert [engine.leases for engine in leases.statistics().engines] == [2]
    assert fake_engines.log == ["0 load slow", "5 open slow", "5 closed slow"]


async def test_it_closes_with_its_last_lease(autojump_clock: object) -> None:
    """Returning a lease that others still have closes nothing."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases:
        async with leases.lease(slow()):
            async with leases.lease(slow()):
                pass
            await trio.sleep(10)
            assert fake_engines.log == ["0 load slow", "5 open slow"]
        await trio.sleep(1)
        assert fake_engines.log[2:] == ["15 closed slow"]
        assert leases.statistics().engines == ()


async def test_giving_up_stops_the_loading(autojump_clock: object) -> None:
    """When the only one who waits for an engine gives up, its loading stops at once."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases:
        with trio.move_on_after(2):
            await lease_in_vain(leases, slow())
        await trio.sleep(1)
        assert fake_engines.log == ["0 load slow", "2 closed slow"]


async def test_another_waiter_keeps_the_loading(autojump_clock: object) -> None:
    """Loading goes on as long as anybody waits for it, whoever asked first."""
    fake_engines = FakeEngines()

    async def give_up_after(seconds: float) -> None:
        with trio.move_on_after(seconds):
            await lease_in_vain(leases, slow())

    async with open_leases(fake_engines) as leases, trio.open_nursery() as nursery:
        nursery.start_soon(give_up_after, 2)
        await trio.sleep(1)
        async with leases.lease(slow()):
            assert trio.current_time() == 5
    assert fake_engines.log == ["0 load slow", "5 open slow", "5 closed slow"]


async def test_ten_rapid_switches_load_the_last_engine_only(autojump_clock: object) -> None:
    """Whoever changes their mind ten times waits for the last choice; the other loads are stopped."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases:
        for index in range(9):
            with trio.move_on_after(0.1):
                await lease_in_vain(leases, slow(name=f"{index}"))
        async with leases.lease(slow(name="9")):
            assert trio.current_time() == pytest.approx(5.9)
            assert [(e.state, e.leases) for e in leases.statistics().engines] == [("open", 1)]
    assert [line for line in fake_engines.log if "open" in line] == ["5.9 open 9"]


async def test_a_lease_that_is_given_up_at_once_never_starts_loading(autojump_clock: object) -> None:
    """A cancelled wait costs no load, not even its beginning."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases:
        with trio.CancelScope() as scope:
            scope.cancel()
            await lease_in_vain(leases, slow())
        await trio.sleep(1)
    assert fake_engines.log == []


async def test_an_error_of_loading_reaches_all_who_wait(autojump_clock: object) -> None:
    """Each waiter gets an `EngineError` of its own, and the next lease tries anew."""
    fake_engines = FakeEngines()
    fake_engines.failure = ExceptionGroup("nested", [EngineError("install the model")])
    errors: list[EngineError] = []

    async def wait_for_it() -> None:
        with pytest.raises(EngineError, match=r"^install the model$") as caught:
            await lease_in_vain(leases, slow())
        errors.append(caught.value)

    async with open_leases(fake_engines) as leases:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_it)
            nursery.start_soon(wait_for_it)
        assert len(errors) == 2
        assert errors[0] is not errors[1]
        fake_engines.failure = None
        async with leases.lease(slow()):
            assert trio.current_time() == 10


async def test_a_bug_in_an_adapter_ends_with_its_lessees(autojump_clock: object) -> None:
    """An unexpected exception becomes an `EngineError` that names it; other engines go on."""
    fake_engines = FakeEngines()
    fake_engines.failure = KeyError("private")
    async with open_leases(fake_engines) as leases:
        with pytest.raises(EngineError, match="KeyError") as caught:
            await lease_in_vain(leases, slow())
        assert "private" not in str(caught.value)
        fake_engines.failure = None
        async with leases.lease(slow(name="other")) as engine:
            assert engine is not None


async def test_a_closing_engine_is_never_handed_out(autojump_clock: object) -> None:
    """Who comes while an equal engine closes waits for that, and then gets a new one."""
    fake_engines = FakeEngines()
    config = slow(close=3)
    async with open_leases(fake_engines) as leases:
        async with leases.lease(config) as old:
            pass
        await trio.sleep(1)
        assert [engine.state for engine in leases.statistics().engines] == ["closing"]
        async with leases.lease(config) as new:
            assert new is not old
    assert fake_engines.log[:5] == [
        "0 load slow",
        "5 open slow",
        "8 closed slow",
        "8 load slow",
        "13 open slow",
    ]


async def test_an_engine_that_hangs_in_closing_holds_nobody_up_for_long(autojump_clock: object) -> None:
    """The newcomer's patience is bounded; after that it opens its own beside the old one."""
    fake_engines = FakeEngines()
    config = slow(load=0, close=1000)
    async with open_leases(fake_engines) as leases:
        async with leases.lease(config):
            pass
        async with leases.lease(config):
            assert trio.current_time() == 10
    assert [line.split()[1] for line in fake_engines.log].count("open") == 2


async def test_the_end_of_an_old_engine_does_not_forget_its_successor(autojump_clock: object) -> None:
    """Who comes after that shares the new one."""
    fake_engines = FakeEngines()
    config = slow(load=0, close=30)
    async with open_leases(fake_engines) as leases:
        async with leases.lease(config):
            pass
        async with leases.lease(config) as new:
            await trio.sleep(60)
            async with leases.lease(config) as shared:
                assert shared is new


async def test_only_some_lessees_are_named(autojump_clock: object) -> None:
    """A room with thousands of clients is counted, and does not fill an operator's screen."""
    async with open_leases(FakeEngines()) as leases, trio.open_nursery() as nursery:

        async def hold() -> None:
            async with leases.lease(slow()):
                await trio.sleep(10)

        for _ in range(60):
            nursery.start_soon(hold)
        await trio.sleep(1)
        (engine,) = leases.statistics().engines
        assert (engine.leases, len(engine.lessees)) == (60, 50)


async def test_what_ends_the_program_is_not_swallowed(autojump_clock: object) -> None:
    """A Ctrl-C that arrives in an engine's task is no problem of the engine's."""
    fake_engines = FakeEngines(failure=KeyboardInterrupt())
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_leases(fake_engines) as leases:
            await lease_in_vain(leases, slow())
    assert isinstance(first_leaf(caught.value), KeyboardInterrupt)


async def test_an_engine_that_breaks_down_is_forgotten(autojump_clock: object) -> None:
    """Its lessees keep their block, nothing else is disturbed, and the next lease opens a new one."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases, leases.lease(slow()) as old:
        fake_engines.breakdown.set()
        await trio.sleep(1)
        assert leases.statistics().engines == ()
        fake_engines.breakdown = trio.Event()
        async with leases.lease(slow()) as new:
            assert new is not old


async def test_the_statistics_name_state_and_age(autojump_clock: object) -> None:
    """An engine that loads is seen to, with how long it has been at it."""
    fake_engines = FakeEngines()
    async with open_leases(fake_engines) as leases, trio.open_nursery() as nursery:

        async def wait() -> None:
            async with leases.lease(slow()):
                await trio.sleep(10)

        nursery.start_soon(wait)
        await trio.sleep(3)
        (loading,) = leases.statistics().engines
        assert (loading.state, loading.leases, loading.age) == ("loading", 1, 3)
        await trio.sleep(3)
        (opened,) = leases.statistics().engines
        assert (opened.state, opened.leases, opened.age) == ("open", 1, 6)


async def test_the_end_of_the_nursery_ends_all_waits(autojump_clock: object) -> None:
    """A lessee who outlives the backend's nursery is told, and does not wait for ever."""
    fake_engines = FakeEngines()
    async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
        leases = Leases(nursery, fake_engines.open)

        async def wait() -> None:
            with pytest.raises(EngineError, match="was closed"):
                await lease_in_vain(leases, slow())

        outer.start_soon(wait)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()


async def test_an_engine_is_nobodys_in_the_log(autojump_clock: object) -> None:
    """Its lines bear no session's id: it outlives the session that was the first to lease it."""
    fake_engines = FakeEngines()
    told: list[tuple[str, object]] = []
    sink = logger.add(lambda line: told.append((line.record["message"], line.record["extra"])))
    async with open_leases(fake_engines) as leases, trio.open_nursery() as nursery:

        async def session() -> None:
            with logger.contextualize(session="7f3a"):
                async with leases.lease(slow()):
                    logger.info("a session's own line")

        nursery.start_soon(session)
        await trio.sleep(1)  # the session is the first
        async with leases.lease(slow()):
            await trio.sleep(1)
            fake_engines.breakdown.set()
            await trio.sleep(1)
    logger.remove(sink)
    assert [message for message, extra in told if extra] == ["a session's own line"]
    assert [message for message, extra in told if not extra] == [
        "engine llm/slow is ready after 5.00 s",
        "engine llm/slow: the graphics card caught fire",
    ]
