import pytest
from analyzers.face_manipulation.made import made_analyzer

from assay.inference.analyzers.face_manipulation import FaceManipulation
from assay.sdk.torch import gradients_off


@pytest.fixture(scope="session")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> FaceManipulation:
    """With made weights, on the CPU."""
    analyzer = made_analyzer(tmp_path_factory.mktemp("weights"))
    with gradients_off():
        analyzer.load("cpu")
    return analyzer
