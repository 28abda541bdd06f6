"""`plain_messages`: a prompt for models that know nothing but turns of text."""

from __future__ import annotations

from .base import Message, Prompt, ToolResult


def plain_messages(prompt: Prompt) -> list[dict[str, str]]:
    """The system prompt, where there is one, then turns: the user's first, and none twice in a row.

    Templates of many models refuse others. Messages of one role become one, and a conversation that begins
    with the character gets a first word of the user. Pictures and tools are left out: such a model is not
    offered any, and what an earlier model has asked of them reads as text.
    """
    turns: list[dict[str, str]] = []
    for message in prompt.messages:
        role = message.role if isinstance(message, Message) else "user"
        content = f"({message.content})" if isinstance(message, ToolResult) else message.content
        if not content.strip():
            continue
        if not turns and role == "assistant":
            turns.append({"role": "user", "content": "…"})
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += f"\n\n{content}"
        else:
            turns.append({"role": role, "content": content})
    system = [{"role": "system", "content": prompt.system}] if prompt.system.strip() else []
    return [*system, *(turns or [{"role": "user", "content": "…"}])]
