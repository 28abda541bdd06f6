"""The HTTP interface of OpenAI, which most model servers speak: what the adapters of it share.

configs.py         where a server is, the key for it, what to ask for, and how long to wait
answers.py         what it answers → values, or what a person should do
deltas.py          a streamed answer: bytes → events → parts of a reply
connection.py      the requests, with retries and deadlines
chat.py            an `Llm` on it
speech.py          a `Tts` on it
transcription.py   an `Asr` on it
"""
