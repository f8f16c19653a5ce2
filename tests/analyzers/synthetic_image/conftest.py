import pytest

from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.sdk import packed_weights


@pytest.fixture(scope="session")
def analyzer() -> SyntheticImage:
    analyzer = SyntheticImage(SyntheticImageSettings())
    analyzer.weights = packed_weights(analyzer.manifest)
    analyzer.load("cpu")
    return analyzer
