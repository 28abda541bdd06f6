"""What the model reads: the conversation so far, cut to what was heard and to a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ..engines.base import Message


def tokens_in(text: str) -> int:
    """About how many tokens a model makes of ``text``; rather too many than too few.

    English has some four letters to a token and Chinese about one character, so bytes of UTF-8 divided
    by three come near for both, without a tokenizer of every model.
    """
    return len(text.encode("utf-8", "replace")) // 3 + 4


@attrs.define(eq=False)
class Memory:
    """One session's memory of one conversation. ``budget`` is in tokens, as `tokens_in` counts them.

    Older messages than the budget holds are forgotten for good: what memory costs does not grow with
    the conversation. The last message stays, however long it is.
    """

    budget: int
    _messages: list[Message] = attrs.field(factory=list, init=False)
    _tokens: int = attrs.field(default=0, init=False)

    def hear(self, message: Message) -> None:
        """The user said this."""
        self._keep(message)

    def say(self, text: str) -> None:
        """The character said this, as far as it was heard; nothing is kept of nothing."""
        if text:
            self._keep(Message("assistant", text))

    def recall(self, messages: Iterable[Message]) -> None:
        """Begin anew with the messages of an earlier conversation, oldest first."""
        self._messages.clear()
        self._tokens = 0
        for message in messages:
            self._keep(message)

    def so_far(self) -> Sequence[Message]:
        """What is remembered, oldest first."""
        return tuple(self._messages)

    def _keep(self, message: Message) -> None:
        self._messages.append(message)
        self._tokens += tokens_in(message.content)
        forgotten = 0
        while self._tokens > self.budget and forgotten < len(self._messages) - 1:
            self._tokens -= tokens_in(self._messages[forgotten].content)
            forgotten += 1
        del self._messages[:forgotten]
