"""LLM, TTS, ASR and VAD: what the conversation asks of them, and one adapter per file."""
