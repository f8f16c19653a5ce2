"""Reads the XMP fields that matter here, from a packet that may be hostile.

Source: ISO 16684-1 (XMP), IPTC Photo Metadata Standard 2025.1. The packet is parsed by expat with a document type
declaration refused, so no entity can be declared (billion laughs, external entities), and within a size and a depth.
"""

from xml.parsers import expat

from assay.inference.analyzers.provenance.entries import Entries

MAX_PACKET = 4 * 1024 * 1024
MAX_DEPTH = 64

_PREFIXES = {
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://www.tc260.org.cn/ns/AIGC/1.0/": "TC260",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://cipa.jp/exif/1.0/": "exifEX",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_STRUCTURAL = frozenset({"RDF", "Description", "Seq", "Bag", "Alt", "li", "value"})
_UNKNOWN = "?"
# What is nested in these speaks of other files, from which this one was made.
_OF_OTHER_FILES = frozenset({"xmpMM:Pantry", "xmpMM:Ingredients"})


class _RefusedError(Exception):
    """The packet tries something that no honest packet needs."""


def read_xmp(packet: bytes, entries: Entries) -> None:
    """Read a packet into `entries`; a damaged or refused one leaves what came before the damage, and a problem."""
    if len(packet) > MAX_PACKET:
        entries.problem("The XMP packet is larger than is read; it was left out.")
        return
    packet = packet.strip(b"\x00 \t\r\n\xef\xbb\xbf")
    if packet:
        _Packet(entries).read(packet)


class _Packet:
    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._path: list[str] = []
        self._text: list[str] = []
        self._foreign = 0

    def read(self, packet: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.buffer_text = True
        try:
            parser.Parse(packet, True)
        except _RefusedError as error:
            self._entries.problem(str(error))
        except (expat.ExpatError, UnicodeError, ValueError):
            self._entries.problem("The XMP packet is not well-formed; what stands after the damage was not read.")

    def _refuse(self, *_: object) -> None:
        raise _RefusedError("The XMP packet declares entities, which XMP never needs; it was not read.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise _RefusedError("The XMP packet is nested too deeply; the rest was not read.")
        self._text.clear()
        qualified = _qualified(name)
        self._path.append(qualified)
        if qualified in _OF_OTHER_FILES:
            self._foreign += 1
        for attribute, value in attributes.items():
            self._keep(_qualified(attribute), value)

    def _end(self, name: str) -> None:
        value = "".join(self._text).strip()
        self._text.clear()
        if value:
            # Text in rdf:li belongs to the property around the list.
            owner = next((part for part in reversed(self._path) if part), "")
            self._keep(owner, value)
        if self._path.pop() in _OF_OTHER_FILES:
            self._foreign -= 1

    def _keep(self, key: str, value: str) -> None:
        if key not in ("", _UNKNOWN) and not self._foreign:
            self._entries.add("xmp", key, value)


def _qualified(name: str) -> str:
    """`prefix:local` with the usual prefix, whatever the packet calls it; empty for RDF's own names."""
    namespace, _, local = name.rpartition(" ")
    if namespace == _RDF and local in _STRUCTURAL:
        return ""
    prefix = _PREFIXES.get(namespace)
    return f"{prefix}:{local}" if prefix else _UNKNOWN
