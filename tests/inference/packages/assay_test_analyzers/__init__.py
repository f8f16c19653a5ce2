"""A stranger's package with analyzers, found through entry points that `conftest.py` installs."""
