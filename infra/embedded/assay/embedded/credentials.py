"""Every secret of a stack: made at the first start, kept in one file that only its owner can read."""

import secrets
from dataclasses import asdict, dataclass, field, fields

from assay.embedded.home import Home

_FILE = "credentials.json"


def _secret() -> str:
    """256 bits, letters, digits, `-` and `_` only: safe in URLs, shells and property files."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Credentials:
    """Who may talk to which part. A field added by a later version gets its value at the next start."""

    kafka_password: str = field(default_factory=_secret)
    kafka_broker_password: str = field(default_factory=_secret)
    kafka_cluster_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    s3_access_key_id: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    s3_secret_access_key: str = field(default_factory=_secret)
    s3_volume_write_key: str = field(default_factory=_secret)
    s3_volume_read_key: str = field(default_factory=_secret)
    s3_filer_write_key: str = field(default_factory=_secret)
    s3_filer_read_key: str = field(default_factory=_secret)
    postgres_password: str = field(default_factory=_secret)
    postgres_upload_password: str = field(default_factory=_secret)
    postgres_results_password: str = field(default_factory=_secret)
    postgres_notify_password: str = field(default_factory=_secret)
    auth_secret: str = field(default_factory=_secret)

    def postgres_password_of(self, role: str) -> str:
        """The password of a service's role."""
        value = getattr(self, f"postgres_{role}_password")
        assert isinstance(value, str)
        return value


def load(home: Home) -> Credentials:
    """Read the secrets of this home, making those that are missing."""
    kept = home.read_json(_FILE)
    names = {item.name for item in fields(Credentials)}
    credentials = Credentials(
        **{name: value for name, value in kept.items() if name in names and isinstance(value, str)}
    )
    if asdict(credentials) != kept:
        home.write_json(_FILE, {**kept, **asdict(credentials)})
    return credentials
