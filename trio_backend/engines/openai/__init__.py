"""The HTTP interface of OpenAI, which most model servers speak: what the adapters of it share.

endpoint.py        where a server is, and the key for it
configs.py         what to ask for, and how long to wait
refusals.py        what a server answered → what a person should do
json_text.py       what they answer → values, with half characters put together
event_stream.py    bytes → the data of events
deltas.py          the events of a streamed answer → tokens
connection.py      the requests, with retries and deadlines
chat.py            an `Llm` on it
speech.py          a `Tts` on it
transcription.py   an `Asr` on it
"""
