"""Small changes, each of which breaks a promise of the code; the tests must notice.

The lists are the ``.toml`` files beside this one, one for each package: `listed` reads them.
``nox -s mutants`` runs each mutant against the tests that execute its lines, and reports what was noticed.
"""
