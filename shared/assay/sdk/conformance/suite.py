"""What every analyzer must pass."""

import pickle
import time

from assay.sdk.analyzer import Finding
from assay.sdk.conformance.artifacts import faults_of_artifacts
from assay.sdk.conformance.examining import ROOM, Examining, none, other_devices, prepared_or_error
from assay.sdk.conformance.findings import (
    differences,
    faults_of_derived,
    faults_of_finding,
    verdict_of,
    whole,
)
from assay.sdk.conformance.manifests import faults_of_files, faults_of_manifest
from assay.sdk.conformance.samples import media_of, truncated, wrong
from assay.sdk.derived import Room
from assay.sdk.errors import NotApplicableError, PermanentAnalyzerError
from assay.sdk.torch import gradients_off


class AnalyzerConformance(Examining):
    """Derive a class whose name begins with Test, and give it an analyzer and samples.

    It may also set `tolerance`, `device_tolerance` and `any_bytes`; see `Examining`.
    """

    def test_the_manifest_is_complete(self) -> None:
        """Title, description, domain, sources, licence, labels; weights with source, sha256 and licence."""
        none(faults_of_manifest(self._new().manifest))

    def test_the_weights_are_those_that_the_manifest_declares(self) -> None:
        """Each file is there and has the declared hash and size."""
        analyzer = self._new()
        none(faults_of_files(analyzer.manifest, analyzer.weights))

    def test_the_samples_are_of_types_that_it_takes(self) -> None:
        """At least two of them end with a finding."""
        samples, manifest = self.samples(), self._new().manifest
        none(f"{sample}: not taken" for sample in samples if not manifest.takes(sample.media_type))
        none(f"{sample}: larger than max_bytes" for sample in samples if len(sample.content) > manifest.max_bytes)
        contents = {sample.content for sample in samples if sample.outcome == "finding"}
        assert len(contents) >= 2, "give two or more different samples that end with a finding"

    def test_an_empty_batch_gives_an_empty_list(self) -> None:
        """The engine may ask so to warm up."""
        with gradients_off():
            assert self._loaded().infer([]) == []

    def test_each_sample_ends_as_it_says(self) -> None:
        """One by one: a finding within the manifest, or the error that the sample names."""
        analyzer = self._loaded()
        for sample in self.samples():
            ended = self._examined(analyzer, sample)
            if sample.outcome == "not_applicable":
                assert isinstance(ended, NotApplicableError), f"{sample}: {ended!r}"
            elif sample.outcome == "unreadable":
                assert isinstance(ended, PermanentAnalyzerError), f"{sample}: {ended!r}"
            else:
                assert isinstance(ended, Finding), f"{sample}: {ended!r}"
                none(f"{sample}: {fault}" for fault in faults_of_finding(analyzer.manifest, ended))
                assert sample.label in (None, ended.label), f"{sample}: {ended.label}, not {sample.label}"

    def test_a_batch_says_what_one_by_one_says(self) -> None:
        """Whatever else is in the batch, in whatever order."""
        analyzer = self._loaded()
        for batch in self._batches(analyzer, [*self._cases(analyzer), *reversed(self._cases(analyzer))]):
            alone = [self._infer(analyzer, [prepared])[0] for _, prepared in batch]
            together = self._infer(analyzer, [prepared for _, prepared in batch])
            for (sample, _), one, many in zip(batch, alone, together, strict=True):
                found = differences(verdict_of(one), verdict_of(many), self.tolerance)
                none(f"{sample}, alone and in a batch of {len(batch)}: {each}" for each in found)

    def test_wrong_media_raise_errors_of_the_sdk(self) -> None:
        """Empty, noise, zeros, something else: an AnalyzerError, and nothing else."""
        analyzer = self._loaded()
        for media_type in sorted({sample.media_type for sample in self.samples()}):
            for sample in wrong(media_type):
                ended = self._examined(analyzer, sample)
                if isinstance(ended, Finding):
                    assert self.any_bytes, f"{sample} has a finding; set any_bytes if that is meant"
                    none(f"{sample}: {fault}" for fault in faults_of_finding(analyzer.manifest, ended))

    def test_truncated_files_end_with_an_error_of_the_sdk_or_a_finding(self) -> None:
        """Broken off at several places: an AnalyzerError or a finding within the manifest, and nothing else."""
        analyzer = self._loaded()
        for whole_one in self.samples():
            for sample in truncated(whole_one):
                ended = self._examined(analyzer, sample)
                if isinstance(ended, Finding):
                    none(f"{sample}: {fault}" for fault in faults_of_finding(analyzer.manifest, ended))

    def test_preparing_needs_the_settings_and_the_file_alone(self) -> None:
        """It runs in a process without weights where `load` is never called; its result travels as a pickle."""
        analyzer, stranger = self._loaded(), self._new()
        stranger.weights = {}
        travelled = [
            (sample, pickle.loads(pickle.dumps(prepared, protocol=5)))  # noqa: S301 - made two lines above
            for sample, prepared in self._cases(stranger)
        ]
        self._same(analyzer, self._cases(analyzer), travelled, "prepared here and in another process")

    def test_the_same_file_has_the_same_finding(self) -> None:
        """Twice by one analyzer, and by a new one."""
        analyzer, other = self._loaded(), self._new()
        self._load(other, "cpu")
        cases = self._cases(analyzer)
        self._same(analyzer, cases, cases, "twice")
        for sample, prepared in cases:
            ours, theirs = (self._infer(each, [prepared])[0] for each in (analyzer, other))
            found = differences(whole(ours), whole(theirs), self.tolerance)
            none(f"{sample}, by another instance: {each}" for each in found)

    def test_it_can_be_moved_to_another_device(self) -> None:
        """`load` again: to the CPU, to CUDA where it is, and back."""
        analyzer = self._new()
        self._load(analyzer, "cpu")
        cases = self._cases(analyzer)
        before = [self._infer(analyzer, [prepared])[0] for _, prepared in cases]
        for device in (*other_devices(), "cpu"):
            self._load(analyzer, device)
            after = [self._infer(analyzer, [prepared])[0] for _, prepared in cases]
            tolerance = self.tolerance if device == "cpu" else self.device_tolerance
            for (sample, _), one, other in zip(cases, before, after, strict=True):
                found = differences(verdict_of(one), verdict_of(other), tolerance)
                none(f"{sample}, moved to {device}: {each}" for each in found)

    def test_artifacts_are_what_they_say(self) -> None:
        """Names, titles, media types, and bytes that can be read as such."""
        analyzer = self._loaded()
        for sample, prepared in self._cases(analyzer):
            (finding,) = self._infer(analyzer, [prepared])
            with gradients_off():
                renderings = list(analyzer.explain(prepared, finding))
            none(f"{sample}: {fault}" for fault in faults_of_artifacts(renderings))

    def test_derived_files_keep_within_the_room(self) -> None:
        """With room, with room for one file, for few bytes, and with none, as where files lie too deep."""
        analyzer = self._loaded()
        rooms = (ROOM, Room(files=1, bytes=ROOM.bytes), Room(files=ROOM.files, bytes=16), Room())
        for sample in self.samples():
            if sample.outcome != "finding":
                continue
            for room in rooms if analyzer.manifest.derives else rooms[-1:]:
                with media_of(sample, room) as media:
                    (finding,) = self._infer(analyzer, [analyzer.prepare(media)])
                none(f"{sample}: {fault}" for fault in faults_of_derived(finding, room))

    def test_files_are_left_as_they_are(self) -> None:
        """Another analyzer reads the same copy; nothing is written beside it."""
        analyzer = self._loaded()
        for sample in self.samples():
            with self._media(analyzer, sample) as media:
                prepared_or_error(analyzer, media)
                assert media.path.read_bytes() == sample.content, f"{sample}: its bytes were changed"
                assert list(media.path.parent.iterdir()) == [media.path], f"{sample}: something was left beside it"

    def test_the_time_limit_is_kept(self) -> None:
        """Each sample, from its first byte to its last artifact."""
        analyzer = self._loaded()
        for sample in self.samples():
            began = time.monotonic()
            with self._media(analyzer, sample) as media:
                prepared = prepared_or_error(analyzer, media)
            if sample.outcome == "finding":
                (finding,) = self._infer(analyzer, [prepared])
                with gradients_off():
                    list(analyzer.explain(prepared, finding))
            took = time.monotonic() - began
            assert took <= analyzer.manifest.time_limit_s, f"{sample}: {took:.1f} s"
