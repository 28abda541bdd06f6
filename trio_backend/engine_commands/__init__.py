"""The commands `engines`, `speak` and `transcribe`: which engines there are, and how one of them does."""
