"""Says a sentence to the server at a URL, and prints the answer as JSON; the installed Python runs it."""

import json
import sys

import trio
from trio_websocket import open_websocket_url


async def main(url: str) -> None:
    """Print the sentences, the bytes of sound, and the errors of one turn."""
    sentences: list[str] = []
    errors: list[str] = []
    sound = 0
    with trio.fail_after(60):
        async with open_websocket_url(
            url.replace("http", "ws", 1) + "/client-ws", max_message_size=2**24
        ) as ws:
            await ws.send_message(json.dumps({"type": "text-input", "text": "Hello, who are you?"}))
            while (message := json.loads(await ws.get_message())).get("text") != "conversation-chain-end":
                if message["type"] == "audio":
                    sound += len(message["audio"] or "")
                    sentences.append((message["display_text"] or {}).get("text", ""))
                if message["type"] == "error":
                    errors.append(message["message"])
                if message["type"] == "backend-synth-complete":
                    await ws.send_message(json.dumps({"type": "frontend-playback-complete"}))
    print(json.dumps({"sentences": sentences, "sound": sound, "errors": errors}))


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
