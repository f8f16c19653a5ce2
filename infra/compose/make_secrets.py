"""Makes the secrets that compose.yaml mounts, once: what is there already stays as it is.

    python infra/compose/make_secrets.py [FOLDER]    FOLDER: default infra/compose/secrets

The folder can be entered by its owner only. The files in it can be read by all, because a container mounts a file and
not the folder, and its user has another number than the owner.
"""

import sys
from pathlib import Path
from secrets import token_urlsafe

FOLDER = Path(__file__).parent / "secrets"
ROLES = ("upload", "results", "notify")
DATABASE = "postgresql+asyncpg://{role}:{password}@postgres:5432/assay"


def make(folder: Path) -> list[str]:
    """Make what is missing in `folder`; returns the names of the files made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    passwords = {name: token_urlsafe(32) for name in ("auth_secret", "s3_secret_key", "postgres_superuser")}
    made = [name for name, password in passwords.items() if _write(folder / name, password)]
    for role in ROLES:
        path = folder / f"postgres_{role}"
        made += [path.name] if _write(path, token_urlsafe(32)) else []
        url = DATABASE.format(role=role, password=path.read_text(encoding="ascii").strip())
        made += [f"database_url_{role}"] if _write(folder / f"database_url_{role}", url) else []
    return made


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return False
    path.write_text(text + "\n", encoding="ascii")
    path.chmod(0o444)
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    print(f"{target}: {', '.join(make(target)) or 'nothing missing'}")
