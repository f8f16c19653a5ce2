"""Analyzers are plug-ins: classes found through the entry-point group `assay.analyzers`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import structlog
from pydantic import ValidationError

from assay.inference.settings import Settings
from assay.sdk import Analyzer, AnalyzerManifest

log = structlog.get_logger(__name__)

GROUP = "assay.analyzers"


class WrongSettingsError(Exception):
    """One line that says which setting is wrong."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed analyzer that this process is to run. Nothing of it was imported yet."""

    name: str
    entry: str
    settings: Mapping[str, Any]

    def make(self) -> Analyzer[Any]:
        """Import the class and make the analyzer. Raises WrongSettingsError, or whatever its import raises."""
        return make(self.name, self.entry, self.settings)


def make(name: str, entry: str, settings: Mapping[str, Any]) -> Analyzer[Any]:
    """Import `module:Class` and make the analyzer with its settings, as the environment has them."""
    kind: type[Analyzer[Any]] = EntryPoint(name, entry, GROUP).load()
    if kind.manifest.name != name:
        raise ImportError(f"its manifest says {kind.manifest.name!r}, its entry point {name!r}")
    try:
        return kind(kind.settings_type.model_validate(dict(settings)))
    except ValidationError as error:
        first = error.errors()[0]
        field = "__".join(str(part).upper() for part in first["loc"])
        raise WrongSettingsError(f"{variable(name)}__{field}: {first['msg']}") from error


def variable(name: str) -> str:
    """What the variables of an analyzer's own settings begin with."""
    return f"ASSAY_ANALYZER__{key(name)}".upper()


def key(name: str) -> str:
    """An analyzer's name as a part of a variable's name."""
    return name.replace("-", "_")


def find(settings: Settings) -> list[Plugin]:
    """The analyzers to run, by name. Raises WrongSettingsError where a setting names one that is not installed."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    for name in settings.chosen:
        if name not in installed:
            raise WrongSettingsError(f"ASSAY_ANALYZERS: {name!r} is not installed; there are {_listed(installed)}")
    keys = {key(name) for name in installed}
    for name in settings.analyzer:
        if name not in keys:
            raise WrongSettingsError(f"{variable(name)}: no such analyzer is installed; there are {_listed(installed)}")
    names = settings.chosen or sorted(installed)
    return [Plugin(name, installed[name].value, settings.analyzer.get(key(name), {})) for name in dict.fromkeys(names)]


def installed_manifests() -> dict[str, AnalyzerManifest | Exception]:
    """The manifest of every installed analyzer by its name, or why its class cannot be imported. Makes none."""
    found: dict[str, AnalyzerManifest | Exception] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            kind: type[Analyzer[Any]] = point.load()
            found[point.name] = kind.manifest
        except Exception as error:  # a stranger's module may raise anything
            found[point.name] = error
    return found


def _listed(installed: Mapping[str, object]) -> str:
    return ", ".join(sorted(installed)) or "none"


def load(plugins: list[Plugin]) -> list[tuple[Plugin, Analyzer[Any]]]:
    """Import the analyzers. One that cannot be imported stays out with one line; a wrong setting ends the process."""
    loaded = []
    for plugin in plugins:
        try:
            loaded.append((plugin, plugin.make()))
        except WrongSettingsError as error:
            stop(error)
        except Exception as error:  # a stranger's module may raise anything; the others go on
            stays_out(plugin.name, error)
    return loaded


def stays_out(name: str, error: BaseException) -> None:
    """The one line about an analyzer that cannot work."""
    log.error("analyzer_stays_out", analyzer=name, reason=f"{type(error).__name__}: {error}"[:500])


def stop(error: WrongSettingsError) -> NoReturn:
    """End the process with status 2 and one line."""
    print(f"assay: wrong settings: {error}", file=sys.stderr)
    sys.exit(2)
