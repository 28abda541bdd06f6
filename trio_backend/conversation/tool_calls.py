"""`ToolCaller`: calls the tools that a model asks for. The model gets an answer even if a call fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..engines.base import ToolRequest, ToolResult, ToolServer
from ..errors import EngineError
from .events import ToolCall, ToolState, TurnId

# A call that takes longer than this, in seconds, keeps the user waiting for an answer that the model can give
# without it. The deadline of the turn bounds all calls together.
CALL_TIMEOUT = 30.0
# Characters of a result that the model reads. A page of text has some 3 000; what is longer than a few dozen
# of them costs seconds and money with each further round, and hardly any model makes use of it.
LONGEST_RESULT = 100_000
# Characters of arguments or results that clients are shown.
LONGEST_SHOWN = 2_000


@attrs.frozen
class ToolCaller:
    """Calls tools of ``_server`` in turn ``_turn``. ``_tell`` gets an event for each state of a call.

    No tool is called before ``_wait_certain`` returns: what a tool does cannot be taken back.
    """

    _server: ToolServer
    _turn: TurnId
    _tell: Callable[[ToolCall], Awaitable[object]]
    _wait_certain: Callable[[], Awaitable[None]]

    async def call(self, request: ToolRequest) -> ToolResult:
        """What the tool gives, or why there is nothing, for the model to read. A cancel cancels the call."""
        await self._wait_certain()
        if request.name not in {tool.name for tool in self._server.tools}:
            return await self._failed(request, f"there is no tool {request.name!r}")
        await self._show(request, "running", request.arguments)
        try:
            with trio.fail_after(CALL_TIMEOUT):
                content = await self._server.call(request)
        except EngineError as error:
            return await self._failed(request, str(error))
        except trio.TooSlowError:
            return await self._failed(request, f"{request.name} took longer than {CALL_TIMEOUT:g} s")
        await self._show(request, "completed", content)
        return ToolResult(request.id, content[:LONGEST_RESULT])

    async def _failed(self, request: ToolRequest, why: str) -> ToolResult:
        await self._show(request, "error", why)
        return ToolResult(request.id, why[:LONGEST_RESULT], failed=True)

    async def _show(self, request: ToolRequest, state: ToolState, content: str) -> None:
        await self._tell(ToolCall(self._turn, request, state, content[:LONGEST_SHOWN]))
