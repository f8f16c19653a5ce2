"""Typed settings from the environment. A wrong or unknown `ASSAY_…` variable stops the start with one clear line."""

import os
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "ASSAY_"
DELIMITER = "__"

S = TypeVar("S", bound=BaseSettings)


class Block(BaseModel):
    """A group of settings that several services share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Block):
    """How to reach the broker."""

    bootstrap_servers: str = Field(description="host:port, comma separated")
    security_protocol: Literal["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="As Kafka names them"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="Used with a SASL_… protocol"
    )
    sasl_username: str | None = Field(default=None, description="User at the broker")
    sasl_password: SecretStr | None = Field(default=None, description="Its password")
    ssl_ca_file: Path | None = Field(default=None, description="CA bundle (PEM); empty: the system's")
    replication_factor: int = Field(default=1, ge=1, description="For the topics that Assay makes at its first start")


class S3Settings(Block):
    """How to reach the object store."""

    endpoint_url: str | None = Field(default=None, description="Where the services reach it; empty: AWS")
    public_url: str | None = Field(
        default=None, description="Origin that presigned links are signed for: the gateway; empty: endpoint_url"
    )
    bucket: str = Field(default="assay", description="Made at the first start where it is missing")
    region: str = Field(default="us-east-1", description="Part of every signature")
    access_key_id: str = Field(description="Access key")
    secret_access_key: SecretStr = Field(description="Secret key")
    encryption: Literal["none", "AES256"] = Field(
        default="none", description="AES256: the store is asked to encrypt each object by keys of its own (SSE-S3)"
    )


class DatabaseSettings(Block):
    """How to reach PostgreSQL. Each service has a role and a schema of its own."""

    url: SecretStr = Field(description="postgresql+asyncpg://role:password@host:port/database")
    pool_size: int = Field(default=8, ge=1, le=200, description="Connections that one process may hold")


class AuthSettings(Block):
    """Who may come in."""

    secret: SecretStr = Field(min_length=32, description="Signs local tokens and sessions; 32 characters or more")
    issuer: str | None = Field(default=None, description="OIDC issuer whose JWTs are accepted; empty: none")
    audience: str | None = Field(default=None, description="Audience that such a JWT must name")
    jwks_url: str | None = Field(
        default=None, description="Its keys; empty: asked from the issuer's discovery document"
    )
    owner_claim: str = Field(default="sub", description="The claim that names the owner")
    operator_claim: str = Field(default="scope", description="The claim in which `operator` makes an operator")


class HttpSettings(Block):
    """Where a service listens."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on")


class LogSettings(Block):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level shown")
    format: Literal["auto", "console", "json"] = Field(default="auto", description="auto: console on a terminal")


class TraceSettings(Block):
    """Where spans go."""

    path: Path | None = Field(default=None, description="Append spans to this file, one JSON object a line")
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP collector, such as http://host:4318")


class _Environment(EnvSettingsSource):
    """The environment, with `NAME_FILE` read for a secret `NAME` that is not set itself."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        # Names are matched without regard to case; an empty value counts as none.
        values = with_secret_files(self.settings_cls, os.environ)
        return {name.lower(): value for name, value in values.items() if value}


class ServiceSettings(BaseSettings):
    """What every service has."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    kafka: KafkaSettings
    http: HttpSettings = Field(default_factory=HttpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    traces: TraceSettings = Field(default_factory=TraceSettings)
    slot: int = Field(default=0, ge=0, description="Number of this process among its replicas; its static member id")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


class Setting(BaseModel):
    """One row of the table of settings."""

    name: str
    type: str
    default: str
    description: str
    secret: bool


def describe(settings_type: type[BaseModel], prefix: str = PREFIX) -> Iterator[Setting]:
    """Every variable that a settings class reads, in order; a dict field reads `NAME__*`."""
    for field_name, info in settings_type.model_fields.items():
        name = prefix + field_name.upper()
        block = _block_of(info.annotation)
        if block is not None:
            yield from describe(block, name + DELIMITER)
            continue
        arms = get_args(info.annotation)
        is_dict = get_origin(info.annotation) is dict
        if info.is_required():
            default = "required"
        elif info.default_factory is not None or info.default in (None, ""):
            default = ""
        else:
            default = str(info.default)
        yield Setting(
            name=name + (DELIMITER + "*" if is_dict else ""),
            type=_type_name(info.annotation),
            default=default,
            description=info.description or "",
            secret=info.annotation is SecretStr or SecretStr in arms,
        )


def _block_of(annotation: Any) -> type[BaseModel] | None:
    for arm in (annotation, *get_args(annotation)):
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            return arm
    return None


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(str(arm) for arm in get_args(annotation))
    names = [getattr(arm, "__name__", str(arm)) for arm in get_args(annotation) if arm is not type(None)]
    if not names or get_origin(annotation) in (dict, tuple, list):
        return getattr(annotation, "__name__", str(annotation)).replace("SecretStr", "secret")
    return " | ".join(names).replace("SecretStr", "secret")


def known_names(*settings_types: type[BaseModel]) -> set[str]:
    """Names of all variables that these classes read. One that ends in `*` stands for all that begin so."""
    names: set[str] = set()
    for settings_type in settings_types:
        for setting in describe(settings_type):
            names.add(setting.name)
            if setting.secret:
                names.add(setting.name + "_FILE")
            if setting.name.endswith(DELIMITER + "*"):
                names.add(setting.name.removesuffix(DELIMITER + "*"))
    return names


def is_known(name: str, known: set[str]) -> bool:
    """True if a variable of this name is read by somebody."""
    return name in known or any(pattern.endswith("*") and name.startswith(pattern[:-1]) for pattern in known)


def unknown_names(environ: Mapping[str, str], known: set[str]) -> list[str]:
    """One line for each `ASSAY_…` variable that nobody reads, with the name that may have been meant."""
    lines = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or is_known(name, known):
            continue
        close = get_close_matches(name, sorted(known), n=1)
        lines.append(f"{name} is no setting of Assay" + (f"; did you mean {close[0]}?" if close else ""))
    return lines


def with_secret_files(settings_type: type[BaseModel], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with each secret that is given as `NAME_FILE` read from that file."""
    values = dict(environ)
    for setting in describe(settings_type):
        path = values.pop(setting.name + "_FILE", None) if setting.secret else None
        if path and not environ.get(setting.name):
            values[setting.name] = Path(path).read_text(encoding="utf-8").strip()
    return values


class _AllBlocks(BaseModel):
    """Known to every service: one list of `ASSAY_…` lines reaches all of them, each reads what it needs."""

    kafka: KafkaSettings
    s3: S3Settings
    database: DatabaseSettings
    auth: AuthSettings
    http: HttpSettings
    log: LogSettings
    traces: TraceSettings


def load(settings_type: type[S]) -> S:
    """Read the settings, or end the process with status 2 and one clear line on standard error."""
    unknown = unknown_names(os.environ, known_names(_AllBlocks, settings_type))
    if unknown:
        sys.exit(_stop("; ".join(unknown)))
    try:
        return settings_type()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + DELIMITER.join(str(part).upper() for part in first["loc"])
        sys.exit(_stop(f"{name}: {first['msg']}"))
    except OSError as error:
        sys.exit(_stop(f"a secret's file cannot be read: {error}"))


def _stop(line: str) -> int:
    print(f"assay: wrong settings: {line}", file=sys.stderr)
    return 2
