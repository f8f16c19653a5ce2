"""`make eval`: how good the analyzers are, on pictures of which the truth is known.

To have an analyzer measured, add a line to `EVALUATED` in `analyzers.py`; to measure on other pictures, an entry to
`SETS` in `sets.py`. README.md tells more.
"""
