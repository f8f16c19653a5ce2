import pytest

from assay.inference.analyzers.splicing import Splicing, SplicingSettings
from assay.sdk.packed import packed_weights


def loaded(device: str = "cpu") -> Splicing:
    """A new one, as the engine makes it."""
    analyzer = Splicing(SplicingSettings())
    analyzer.weights = packed_weights(analyzer.manifest)
    analyzer.load(device)
    return analyzer


@pytest.fixture(scope="module")
def analyzer() -> Splicing:
    return loaded()
