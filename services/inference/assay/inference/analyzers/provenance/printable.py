"""Text of strangers, made fit to be shown."""

import unicodedata


def printable(text: str | None, limit: int = 200) -> str:
    """`text` on one line, without control and direction characters (also none that a database refuses), and cut."""
    cleaned = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in (text or "")[: limit * 4])
    cleaned = "".join(c for c in cleaned if unicodedata.category(c) not in ("Cf", "Cs"))
    cleaned = " ".join(cleaned.split())
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
