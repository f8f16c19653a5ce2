"""What a process can say of itself: its error codes, settings and metrics, each from the code that defines it."""

from typing import TypedDict

from prometheus_client import REGISTRY

from assay.shared import problems
from assay.shared.settings import ServiceSettings, describe


class ErrorRow(TypedDict):
    code: str
    status: int
    title: str


class SettingRow(TypedDict):
    name: str
    type: str
    default: str
    description: str


class MetricRow(TypedDict):
    name: str
    type: str
    meaning: str


class Reference(TypedDict):
    """Travels as `x-assay` in a service's OpenAPI, so that the stack's documentation can show all of them."""

    errors: list[ErrorRow]
    settings: list[SettingRow]
    metrics: list[MetricRow]


def reference() -> Reference:
    """Of the modules that this process has imported."""
    settings = {
        row.name: SettingRow(name=row.name, type=row.type, default=row.default, description=row.description)
        for settings_type in ServiceSettings.__subclasses__()
        for row in describe(settings_type)
    }
    return Reference(
        errors=[ErrorRow(code=each.code, status=each.status, title=each.title) for each in problems.catalogue()],
        settings=[settings[name] for name in sorted(settings)],
        metrics=[
            MetricRow(name=family.name, type=family.type, meaning=family.documentation)
            for family in sorted(REGISTRY.collect(), key=lambda family: family.name)
            if family.name.startswith("assay_")
        ],
    )
