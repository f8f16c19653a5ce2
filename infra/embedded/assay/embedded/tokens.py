"""The token in `.assay/token`, made at the first start."""

from assay.embedded.stack import Stack

OWNER = "local"
"""Whose files are those that are uploaded with it."""


def ensure(stack: Stack) -> str:
    """The token of this home, of scopes user and operator."""
    path = stack.home.token
    if not path.exists():
        # Here and not at the top: needed once in a home's life, and it brings the whole web framework.
        from assay.shared.auth import mint_token

        stack.home.write_private(path, mint_token(stack.credentials.auth_secret, OWNER, ["user", "operator"]) + "\n")
    return path.read_text(encoding="utf-8").strip()
