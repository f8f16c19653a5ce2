"""One suite that every analyzer passes, for a package's own tests. It needs no test framework; pytest finds it:

from assay.sdk import NoSettings
from assay.sdk.conformance import AnalyzerConformance, Sample

class TestShouting(AnalyzerConformance):
    def analyzer(self):
        return Shouting(NoSettings())

    def samples(self):
        return [Sample(b"HELLO", "text/plain", label="shouting"), Sample(b"1 2", "text/plain", "not_applicable")]
"""

from assay.sdk.conformance.samples import Sample
from assay.sdk.conformance.suite import AnalyzerConformance

__all__ = ["AnalyzerConformance", "Sample"]
