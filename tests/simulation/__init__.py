"""The whole backend in memory, on a virtual clock, with everything that chance decides drawn from one seed.

- `world` is what surrounds the backend: engines and a store that are slow, fail, hang and die; ids; the time.
- `clients` do what people and programs do, and write down what they said and heard.
- `checker` judges what was written down. It is the only judge, whatever made the story.
- `runs` puts them together: a seed's run, and a scripted scenario that is disturbed at its k-th step.

``python -m tests.simulation --seeds 1000`` runs many; a seed that fails prints the command that repeats it.
"""
