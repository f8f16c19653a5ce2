"""The report's summary: the conclusion and its reason in sentences for a person."""

from collections.abc import Sequence

from assay.contracts import MissingAnalysis
from assay.contracts.verdicts import INCONCLUSIVE, NOT_APPLICABLE
from assay.results.inside import Inside
from assay.results.pooling import FINDING, NOTHING, OWN_LABEL, PROVEN, UNDECIDED, Conclusion, Voice

_FINDINGS = {"manipulated": "manipulated", "synthetic": "made or altered by AI"}
_SOUGHT = {"manipulated": "manipulation", "synthetic": "AI generation"}
_SURENESS = ((0.98, "almost certainly"), (0.85, "very probably"), (0.65, "probably"), (0.0, "possibly"))
_REASON_CHARACTERS = 300
_FOUND_INSIDE = 3


def summary(
    conclusions: Sequence[Conclusion],
    voices: Sequence[Voice],
    missing: Sequence[MissingAnalysis],
    inside: Inside,
) -> str:
    """One or more plain sentences. `conclusions`: the most important first."""
    sentences: list[str] = []
    if conclusions and conclusions[0].rank == UNDECIDED and any(each.rank == PROVEN for each in conclusions):
        sentences.append("The evidence contradicts itself, so nothing is concluded.")
        conclusions = conclusions[1:]
    findings = [each for each in conclusions if each.rank == FINDING]
    for number, each in enumerate(findings):
        sentences.append(_finding(each, also=number > 0))
    for each in conclusions:
        if each.rank == PROVEN:
            sentences.append(f"Its origin is proven{_because(each.leading)}")
        elif each.rank == OWN_LABEL:
            sentences.append(_own_label(each))
    sentences += _findings_inside(inside)
    nothing = [each for each in conclusions if each.rank == NOTHING]
    if nothing and not sentences:
        sentences.append(_nothing(nothing))
    sentences += [_contested(each) for each in conclusions if each.rank == UNDECIDED and each.opposing]
    sentences += [_disagreement(each) for each in conclusions if each.rank != UNDECIDED and each.opposing]
    if not sentences:
        sentences.append(_undecided(voices, is_planned=bool(voices or missing)))
    sentences += _silent(voices, after_all=bool(conclusions) and conclusions[0].rank != UNDECIDED)
    own = [f"{each.analyzer} ({each.code})" for each in missing if each.derived_file_id is None]
    if own:
        sentences.append(f"No verdict from {', '.join(own)}.")
    sentences += _others_inside(inside)
    return " ".join(sentences)


def _finding(conclusion: Conclusion, *, also: bool) -> str:
    score = conclusion.score
    sure = next(words for least, words in _SURENESS if (0.5 if score is None else score) >= least)
    what = _FINDINGS.get(conclusion.label)
    because = _because(conclusion.leading)
    if what is not None:
        return f"It was also {sure} {what}{because}" if also else f"This file was {sure} {what}{because}"
    return f"{conclusion.leading.analyzer} says {_words(conclusion.label)}{_percent(conclusion)}{because}"


def _own_label(conclusion: Conclusion) -> str:
    says = f"{conclusion.leading.analyzer} says {_words(conclusion.label)}"
    return f"{says}{_percent(conclusion)}{_because(conclusion.leading)}"


def _percent(conclusion: Conclusion) -> str:
    if conclusion.score is None:
        return ""
    return f" ({_words(conclusion.claim)}: {conclusion.score:.0%})"


def _because(voice: Voice) -> str:
    """The strongest reason, as its analyzer put it; a full stop where it gave none."""
    evidence = voice.verdict.evidence
    if not evidence:
        return f", by {voice.analyzer}."
    strongest = max(evidence, key=lambda each: abs(each.weight))
    return f" ({voice.analyzer}): {_shortened(strongest.text)}"


def _nothing(conclusions: Sequence[Conclusion]) -> str:
    sought = [_SOUGHT.get(each.claim, f"“{_words(each.claim)}”") for each in conclusions]
    return f"No traces of {_listed(sought, 'or')} were found. That does not prove that the file is authentic."


def _contested(conclusion: Conclusion) -> str:
    names = _listed([conclusion.leading.analyzer, *(each.analyzer for each in conclusion.opposing)], "and")
    return f"{names} contradict each other on whether it is {_words(conclusion.claim)}."


def _disagreement(conclusion: Conclusion) -> str:
    names = [each.analyzer for each in conclusion.opposing]
    verb = "sees" if len(names) == 1 else "see"
    return f"{_listed(names, 'and')} {verb} it otherwise, which lowers the confidence."


def _undecided(voices: Sequence[Voice], *, is_planned: bool) -> str:
    if not is_planned:
        return "No analyzer takes a file of this type: nobody examined it."
    if not voices:
        return "No analyzer reached a verdict."
    if all(each.verdict.label == NOT_APPLICABLE for each in voices):
        return "No analyzer applies to a file like this."
    reason = next((each for each in voices if each.verdict.label == INCONCLUSIVE and each.verdict.evidence), None)
    if reason is None:
        return "The analyzers cannot tell."
    return f"The analyzers cannot tell{_because(reason)}"


def _silent(voices: Sequence[Voice], *, after_all: bool) -> list[str]:
    """Who gave no evidence either way; said only beside a conclusion of others."""
    if not after_all:
        return []
    unsure = [each.analyzer for each in voices if each.verdict.label == INCONCLUSIVE]
    outside = [each.analyzer for each in voices if each.verdict.label == NOT_APPLICABLE]
    sentences = [f"{_listed(unsure, 'and')} cannot tell."] if unsure else []
    if outside:
        sentences.append(f"{_listed(outside, 'and')} {'does' if len(outside) == 1 else 'do'} not apply.")
    return sentences


def _findings_inside(inside: Inside) -> list[str]:
    findings = inside.findings
    sentences = [
        f"Found inside by {each.derived_by} ({each.media_type}): {_shortened(each.report.summary)}"
        for each in findings[:_FOUND_INSIDE]
    ]
    more = len(findings) - len(sentences)
    if more:
        sentences.append(f"{more} more of the files inside {'has' if more == 1 else 'have'} findings.")
    return sentences


def _others_inside(inside: Inside) -> list[str]:
    """What became of the files inside that show nothing."""
    clean, unexamined = len(inside.clean), len(inside.unexamined)
    incomplete, late = len(inside.incomplete), len(inside.unfinished)
    sentences = [f"No traces were found in {_counted(clean, inside, every='any of the')}."] if clean else []
    if unexamined:
        them = "it" if unexamined == 1 else "them"
        sentences.append(
            f"No analyzer takes {_counted(unexamined, inside, every='any of the')}: nobody examined {them}."
        )
    if incomplete:
        sentences.append(f"Verdicts are missing for {_counted(incomplete, inside)}.")
    if late:
        sentences.append(f"The examination of {_counted(late, inside)} did not end before the deadline.")
    return sentences


def _counted(count: int, inside: Inside, *, every: str = "all") -> str:
    total = len(inside)
    if total == 1:
        return "the file inside"
    return f"{every} {total} files inside" if count == total else f"{count} of the {total} files inside"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > _REASON_CHARACTERS:
        text = text[: _REASON_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
    return text if text.endswith((".", "!", "?", "…")) else text + "."
