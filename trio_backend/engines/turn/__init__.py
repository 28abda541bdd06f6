"""Models that hear whether somebody has finished: `TurnDetector`s."""
