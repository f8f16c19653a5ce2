import pytest

from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings


@pytest.fixture
def analyzer() -> JpegForensics:
    analyzer = JpegForensics(JpegForensicsSettings())
    analyzer.load("cpu")
    return analyzer
