"""``nox -s package``: what people install is built, looked into, installed and started.

Only Python's own library is imported here, but for `talk.py` and the tests: the installation is tried, and
nothing of the clone may help it.
"""
