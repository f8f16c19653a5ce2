"""Keeps what happened to every file, fuses verdicts into reports, and serves both."""
