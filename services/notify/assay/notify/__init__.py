"""Streams what happens to a file, live: state first, then the log, without gap or duplicate."""
