"""Settings, error codes and metrics of all services, read from the code."""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from assay.shared.reference import reference
from assay.shared.settings import describe

SERVICES = ("upload", "inference", "results", "notify")
Rows = list[tuple[str, ...]]


def settings() -> Rows:
    """Each variable once, with the services that read it."""
    readers: dict[str, list[str]] = {}
    told = {}
    for service in SERVICES:
        for setting in describe(import_module(f"assay.{service}.settings").Settings):
            readers.setdefault(setting.name, []).append(service)
            told[setting.name] = setting
    stack = describe(import_module("assay.embedded.settings").StackSettings)
    for setting in stack:
        readers.setdefault(setting.name, []).append("stack")
        told[setting.name] = setting
    rows: Rows = [("name", "type", "default", "read by", "meaning")]
    rows.extend(
        (name, told[name].type, told[name].default, ", ".join(readers[name]), told[name].description)
        for name in sorted(told)
    )
    return rows


def errors() -> Rows:
    """Each error code that an HTTP client may see."""
    _import_all("errors")
    rows: Rows = [("code", "status", "meaning")]
    rows.extend((each["code"], str(each["status"]), each["title"]) for each in reference()["errors"])
    return rows


def metrics() -> Rows:
    """Each metric, with its type."""
    import_module("assay.shared.metrics")
    _import_all("metrics")
    rows: Rows = [("name", "type", "meaning")]
    rows.extend((each["name"], each["type"], each["meaning"]) for each in reference()["metrics"])
    return rows


def _import_all(module: str) -> None:
    """The modules of this name: a service's own, and those of the packages in it."""
    for service in SERVICES:
        package = import_module(f"assay.{service}")
        parts = (each.name for each in iter_modules(package.__path__) if each.ispkg)
        for name in (f"assay.{service}", *(f"assay.{service}.{part}" for part in parts)):
            if find_spec(f"{name}.{module}") is not None:
                import_module(f"{name}.{module}")
