"""The controlled vocabulary of digital source types.

Source: IPTC NewsCodes, `http://cv.iptc.org/newscodes/digitalsourcetype/` (terms and their names), and the terms that
C2PA 2.x adds under `http://c2pa.org/digitalsourcetype/`. Only terms made by a *trained* algorithm count as AI-made:
`algorithmicMedia` is drawn by rules, and `compositeSynthetic` may hold computer graphics of any kind.
"""

AI_MADE = frozenset({"trainedAlgorithmicMedia", "trainedAlgorithmicData"})
AI_IN_PART = frozenset({"compositeWithTrainedAlgorithmicMedia"})
AI = AI_MADE | AI_IN_PART
SYNTHETIC_IN_PART = frozenset({"compositeSynthetic"})
CAPTURE = frozenset({"digitalCapture", "computationalCapture"})

MEANING = {
    "trainedAlgorithmicMedia": "made by a trained AI model",
    "trainedAlgorithmicData": "data made by a trained AI model",
    "compositeWithTrainedAlgorithmicMedia": "a composite with parts made by a trained AI model",
    "compositeSynthetic": "a composite that includes synthetic elements",
    "algorithmicMedia": "drawn by an algorithm that learned from no data",
    "digitalCapture": "captured by a camera or another sensor",
    "computationalCapture": "captured by a camera that combined several exposures",
    "compositeCapture": "a composite of captured elements",
    "composite": "a composite of several elements",
    "negativeFilm": "digitised from a negative",
    "positiveFilm": "digitised from a positive",
    "print": "digitised from a print",
    "humanEdits": "edited by a person",
    "minorHumanEdits": "slightly edited by a person",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "digitalCreation": "created by a person with digital tools",
    "digitalArt": "created by a person with digital tools",
    "softwareImage": "created by software",
    "dataDrivenMedia": "drawn from data",
    "virtualRecording": "recorded from a virtual event",
    "screenCapture": "a recording of a screen",
    "empty": "empty media",
}

# Names that people and tools write instead of the term (the vocabulary's English names, without spaces).
_NAMES = {
    "createdusinggenerativeai": "trainedAlgorithmicMedia",
    "editedusinggenerativeai": "compositeWithTrainedAlgorithmicMedia",
    "compositewithtrainedalgorithmicmedia": "compositeWithTrainedAlgorithmicMedia",
    "compositeincludingsyntheticelements": "compositeSynthetic",
    "compositeincludinggenerativeaielements": "compositeWithTrainedAlgorithmicMedia",
    "digitalcapturesampledfromreallife": "digitalCapture",
    "originaldigitalcapturesampledfromreallife": "digitalCapture",
}
_TERMS = {term.lower(): term for term in MEANING}


def term(value: str) -> str:
    """The vocabulary's term for a URI, a `digsrctype:` code or a name; the trimmed last part of `value` if unknown."""
    last = value.strip().rstrip("/").replace("digsrctype:", "").rsplit("/", 1)[-1].strip()
    squeezed = "".join(c for c in last.lower() if c.isalnum())
    return _TERMS.get(squeezed) or _NAMES.get(squeezed) or last[:100]


def meaning(source_type: str) -> str:
    """What a term means, for a sentence."""
    return MEANING.get(source_type, f"of the source type “{source_type}”")
