"""``nox -s package``: what people install is built, looked into, installed and started.

Only Python's own library is imported here, but for `talk.py` and the tests: what is tried is the installation.
Nothing of the clone may help it.
"""
