"""Which analyzers run, and with which settings, as the environment says."""

import os

import pytest

from assay.inference import plugins
from assay.inference.plugins import WrongSettingsError
from assay.inference.settings import Settings


@pytest.fixture
def settings(environment: dict[str, str], installed: str, monkeypatch: pytest.MonkeyPatch) -> type[Settings]:
    """The settings class, in a worker's environment and with the test analyzers installed."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for path in installed.split(os.pathsep):
        monkeypatch.syspath_prepend(path)
    return Settings


def test_all_that_is_installed_runs_where_nothing_is_said(settings: type[Settings]) -> None:
    names = [plugin.name for plugin in plugins.find(settings())]
    assert names == sorted(names)
    assert {"brightness", "gated", "hostile", "not-importable", "without-weights"} <= set(names)


def test_a_subset_runs_in_the_order_asked_for(settings: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_ANALYZERS", "hostile, brightness,hostile")
    assert [plugin.name for plugin in plugins.find(settings())] == ["hostile", "brightness"]


def test_an_analyzer_gets_its_own_settings(settings: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_ANALYZERS", "brightness")
    monkeypatch.setenv("ASSAY_ANALYZER__BRIGHTNESS__THRESHOLD", "0.7")
    (plugin,) = plugins.find(settings())
    assert plugin.make().settings.threshold == 0.7


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ASSAY_ANALYZERS", "brigthness", "ASSAY_ANALYZERS: 'brigthness' is not installed; there are"),
        ("ASSAY_ANALYZER__DARKNESS__THRESHOLD", "1", "ASSAY_ANALYZER__DARKNESS: no such analyzer is installed"),
        ("ASSAY_ANALYZER__BRIGHTNESS__THRESHOLD", "high", "ASSAY_ANALYZER__BRIGHTNESS__THRESHOLD: Input should be"),
        ("ASSAY_ANALYZER__BRIGHTNESS__TRESHOLD", "1", "ASSAY_ANALYZER__BRIGHTNESS__TRESHOLD: Extra inputs"),
    ],
)
def test_wrong_settings_are_told_by_their_names(
    settings: type[Settings], monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("ASSAY_ANALYZERS", "brightness")
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettingsError) as caught:
        for plugin in plugins.find(settings()):
            plugin.make()
    assert str(caught.value).startswith(said)
