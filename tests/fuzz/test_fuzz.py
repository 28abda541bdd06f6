"""A little of ``nox -s fuzz``: what was found once, and cases of a fixed seed, against real servers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import get_args

import pytest

from trio_backend.errors import ProtocolError
from trio_backend.protocol.codec import decode
from trio_backend.protocol.incoming import Incoming

from . import messages
from .campaign import generated, replayed, run
from .case import mutate, pieces, random_of
from .targets import TARGETS, Target, can_run

SEED = 2026
PATIENCE = 1000.0
"""ms that the other client may wait on a busy machine; ``nox -s fuzz`` allows 20."""

targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@targets
async def test_the_server_holds(target: Target) -> None:
    """It lives, logs no traceback, closes nothing with 1011, keeps nothing, and serves another client."""
    if not can_run(target):
        pytest.skip(f"this machine cannot run the target {target.name}")
    cases = [*replayed(target), *generated(target, seed=SEED, units=target.cases)]
    result = await run(target, cases)
    assert not result.fault, f"{result.culprit}: {result.fault}"
    assert result.cases == len(cases)
    assert result.bystander[1] < PATIENCE


@targets
def test_a_case_is_the_same_again(target: Target) -> None:
    """Case i of a seed has the same bytes whenever and in whatever order it is asked for."""
    cases = list(generated(target, seed=7, units=30))
    later = next(generated(target, seed=7, units=1, first=2))
    assert later == cases[2]
    assert cases == list(generated(target, seed=7, units=30))
    assert cases != list(generated(target, seed=8, units=30))


@targets
def test_what_was_found_is_kept(target: Target) -> None:
    """Every target has a corpus."""
    assert target.corpus()


@pytest.mark.parametrize("cls", get_args(Incoming), ids=lambda cls: cls.type)
def test_each_message_is_made_from_its_class(cls: type) -> None:
    """The generator makes messages of every class that are understood, so that what is behind is reached."""
    understood = 0
    for number in range(60):
        fields = messages.valid(random_of("messages", 1, number), cls)
        assert fields["type"] == cls.type  # type: ignore[attr-defined]
        with suppress(ProtocolError):
            decode(json.dumps(fields))
            understood += 1
    assert understood > 5


def test_pieces_are_the_whole() -> None:
    """However a case is cut for the wire, nothing is lost of it."""
    for number in range(200):
        rng = random_of("pieces", 1, number)
        data = mutate(rng, rng.randbytes(rng.randrange(300)))
        assert b"".join(pieces(data)) == data
