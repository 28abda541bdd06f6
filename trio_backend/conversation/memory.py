"""What the model reads: the conversation so far, cut to what was heard and to a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import attrs

from ..engines.base import Message
from ..errors import QuotaExceeded
from ..quota import Claim, MemoryQuota, counted
from .user_input import size_of_text

# Pictures cost a model's time with each reply that they are read for, so only the newest stay.
WITH_PICTURES = 2  # messages


def tokens_in(text: str) -> int:
    """About how many tokens a model makes of ``text``; rather too many than too few.

    English has some four letters to a token and Chinese about one character, so bytes of UTF-8 divided
    by three come near for both, without a tokenizer of every model.
    """
    return len(text.encode("utf-8", "replace")) // 3 + 4


@attrs.define(eq=False)
class _Kept:
    """A message, and what it holds of the client's quota."""

    message: Message
    claim: Claim

    def forget_pictures(self) -> None:
        size = sum(map(size_of_text, self.message.images))
        self.message = attrs.evolve(self.message, images=())
        self.claim.resize(max(0, self.claim.size - size))


@attrs.define(eq=False)
class Memory:
    """One session's memory of one conversation. ``budget`` is in tokens, as `tokens_in` counts them.

    Older messages than the budget holds are forgotten for good: what memory costs does not grow with
    the conversation. The last message stays, however long it is. Pictures stay in the last
    `WITH_PICTURES` messages that have any, as long as the client's quota has room for them.
    """

    budget: int
    _quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    _kept: list[_Kept] = attrs.field(factory=list, init=False)
    _tokens: int = attrs.field(default=0, init=False)

    def hold(self, claim: Claim, size: int) -> None:
        """Let ``claim`` hold ``size`` bytes; for that, old pictures are forgotten, as many as need be.

        Raises `QuotaExceeded`, and then what was held is held still.
        """
        size = counted(size)
        while True:
            try:
                claim.resize(size)
            except QuotaExceeded:
                with_pictures = self._with_pictures()
                if not with_pictures:
                    raise
                with_pictures[0].forget_pictures()
            else:
                return

    def hear(self, message: Message, claim: Claim | None = None) -> None:
        """The user said this. ``claim`` is what it holds of the quota; memory releases it."""
        self._keep(message, claim or self._quota.claim())

    def say(self, text: str) -> None:
        """The character said this, as far as it was heard; nothing is kept of nothing."""
        if text:
            claim = self._quota.claim()
            # It was said, so it is kept; how much can be said is bounded by the turn's deadline.
            with suppress(QuotaExceeded):
                self.hold(claim, size_of_text(text))
            self._keep(Message("assistant", text), claim)

    def recall(self, messages: Iterable[Message]) -> None:
        """Begin anew with the messages of an earlier conversation, oldest first, as far as there is room."""
        self._forget(len(self._kept))
        for message in messages:
            claim = self._quota.claim()
            try:
                self.hold(claim, size_of_text(message.content))
            except QuotaExceeded:
                continue
            self._keep(message, claim)

    def forget_all_but_last(self) -> None:
        """Forget all before what the user said last."""
        said = [number for number, kept in enumerate(self._kept) if kept.message.role == "user"]
        self._forget(said[-1] if said else len(self._kept))

    def so_far(self) -> Sequence[Message]:
        """What is remembered, oldest first."""
        return tuple(kept.message for kept in self._kept)

    def with_more(self, *messages: Message) -> Sequence[Message]:
        """What `so_far` would be if ``messages`` had been kept, oldest first; nothing is changed."""
        kept = [*self.so_far(), *messages]
        tokens = self._tokens + sum(tokens_in(message.content) for message in messages)
        kept = kept[self._beyond_budget(kept, tokens) :]
        with_pictures = [number for number, message in enumerate(kept) if message.images]
        for number in with_pictures[:-WITH_PICTURES]:
            kept[number] = attrs.evolve(kept[number], images=())
        return tuple(kept)

    def _with_pictures(self) -> list[_Kept]:
        return [kept for kept in self._kept if kept.message.images]

    def _beyond_budget(self, messages: Sequence[Message], tokens: int) -> int:
        """How many of the oldest ``messages``, which have ``tokens``, are to be forgotten."""
        forgotten = 0
        while tokens > self.budget and forgotten < len(messages) - 1:
            tokens -= tokens_in(messages[forgotten].content)
            forgotten += 1
        return forgotten

    def _forget(self, count: int) -> None:
        for kept in self._kept[:count]:
            self._tokens -= tokens_in(kept.message.content)
            kept.claim.release()
        del self._kept[:count]

    def _keep(self, message: Message, claim: Claim) -> None:
        self._kept.append(_Kept(message, claim))
        self._tokens += tokens_in(message.content)
        if self._tokens > self.budget:
            self._forget(self._beyond_budget(self.so_far(), self._tokens))
        if message.images:
            for kept in self._with_pictures()[:-WITH_PICTURES]:
                kept.forget_pictures()
