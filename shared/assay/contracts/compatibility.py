"""Names every change of the contract that would break somebody.

Two sides can break: a subscriber written for the old documents that reads new records, and our own services, that must
still read the old records in the log. So next to everything is breaking but a new optional field, a new type, a new
topic, and other words in a description. What must change otherwise becomes a new type beside the old one.

    python -m assay.contracts.compatibility [REVISION]    the models against the documents of a git revision (HEAD)
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.contracts.documents import SCHEMAS, documents

Json = Mapping[str, Any]

# Words for people, and what says nothing about the values.
SILENT = frozenset({"$id", "$schema", "$defs", "title", "description", "examples", "default", "deprecated", "$comment"})
STRUCTURE = frozenset({"properties", "required", "items", "anyOf", "oneOf", "allOf", "enum", "additionalProperties"})
ASYNCAPI = "asyncapi.json"


def breaking_changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[str]:
    """One line for each breaking change between two sets of documents (by file name, as `generate` makes them)."""
    lines: list[str] = []
    for name, old in before.items():
        kind = name.removesuffix(".json")
        if name == ASYNCAPI:
            lines.extend(_channels(old, after.get(name, {})))
        elif name not in after:
            lines.append(f"{kind}: the type is gone")
        else:
            lines.extend(_Comparison(old, after[name]).values(kind, old, after[name]))
    return lines


class _Comparison:
    """Compares two schemas, each with definitions of its own."""

    def __init__(self, before: Json, after: Json) -> None:
        self._before = before.get("$defs", {})
        self._after = after.get("$defs", {})
        self._seen: set[tuple[str, str]] = set()

    def values(self, place: str, old: Json, new: Json) -> Iterator[str]:
        """Every breaking difference between what two schemas say of the values at `place`."""
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if "$ref" in old and "$ref" in new:
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolve(old, self._before), _resolve(new, self._after)
        yield from self._keywords(place, old, new)
        yield from self._enum(place, old, new)
        yield from self._properties(place, old, new)
        yield from self._arms(place, old, new)
        for keyword in ("items", "additionalProperties"):
            was, now = old.get(keyword), new.get(keyword)
            if isinstance(was, Mapping) and isinstance(now, Mapping):
                yield from self.values(f"{place}[]", was, now)
            elif was != now:
                yield f"{place}: {keyword} changed from {_short(was)} to {_short(now)}"
        if pair in self._seen:
            self._seen.discard(pair)

    @staticmethod
    def _keywords(place: str, old: Json, new: Json) -> Iterator[str]:
        for keyword in sorted((old.keys() | new.keys()) - SILENT - STRUCTURE - {"$ref"}):
            if old.get(keyword) != new.get(keyword):
                yield f"{place}: {keyword} changed from {_short(old.get(keyword))} to {_short(new.get(keyword))}"

    @staticmethod
    def _enum(place: str, old: Json, new: Json) -> Iterator[str]:
        was, now = old.get("enum"), new.get("enum")
        if was is None and now is None:
            return
        if was is None or now is None:
            yield f"{place}: enum changed from {_short(was)} to {_short(now)}"
            return
        for value in was:
            if value not in now:
                yield f"{place}: the value {_short(value)} is gone"
        for value in now:
            if value not in was:
                yield f"{place}: the value {_short(value)} is new in a closed set"

    def _properties(self, place: str, old: Json, new: Json) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        required_before, required_now = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in was.items():
            if name not in now:
                yield f"{place}.{name}: the field is gone"
                continue
            yield from self.values(f"{place}.{name}", schema, now[name])
            if name in required_now - required_before:
                yield f"{place}.{name}: required now; records in the log lack it"
            elif name in required_before - required_now:
                yield f"{place}.{name}: no longer always there"
        for name in now:
            if name not in was and name in required_now:
                yield f"{place}.{name}: a new field is required; records in the log lack it"

    def _arms(self, place: str, old: Json, new: Json) -> Iterator[str]:
        for keyword in ("anyOf", "oneOf", "allOf"):
            was, now = old.get(keyword), new.get(keyword)
            if was is None and now is None:
                continue
            if was is None or now is None or len(was) != len(now):
                yield f"{place}: {keyword} changed from {_short(was)} to {_short(now)}"
                continue
            for one, other in zip(was, now, strict=True):
                yield from self.values(place, one, other)


def _resolve(schema: Json, definitions: Json) -> Json:
    """A schema with its reference put in place; words beside the reference stay."""
    pointer = schema.get("$ref")
    if pointer is None:
        return schema
    target: Json = definitions[str(pointer).rsplit("/", 1)[-1]]
    return {**_resolve(target, definitions), **{key: value for key, value in schema.items() if key != "$ref"}}


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _channels(old: Json, new: Json) -> Iterator[str]:
    """Breaking differences between two AsyncAPI documents: topics, their settings, which types are on which."""
    for name, was in old["channels"].items():
        now = new.get("channels", {}).get(name)
        if now is None:
            yield f"{name}: the topic is gone"
            continue
        before, after = was["bindings"]["kafka"], now["bindings"]["kafka"]
        if before["partitions"] != after["partitions"]:
            yield f"{name}: {before['partitions']} partitions became {after['partitions']}; keys would change places"
        yield from _configuration(name, before.get("topicConfiguration", {}), after.get("topicConfiguration", {}))
        for message in was["messages"]:
            if message not in now["messages"]:
                yield f"{name}: {message} is no longer on this topic"
    yield from _envelopes(old["components"]["messages"], new.get("components", {}).get("messages", {}))


def _configuration(name: str, before: Json, after: Json) -> Iterator[str]:
    if before.get("cleanup.policy") != after.get("cleanup.policy"):
        yield f"{name}: cleanup.policy changed from {before.get('cleanup.policy')} to {after.get('cleanup.policy')}"
    for setting in ("retention.ms", "delete.retention.ms"):
        was, now = before.get(setting), after.get(setting)
        if was is not None and (now is None or now < was):
            yield f"{name}: {setting} is shorter: {was} became {now}"


def _envelopes(before: Json, after: Json) -> Iterator[str]:
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            continue
        old_headers, new_headers = was.get("headers", {}), now.get("headers", {})
        yield from _Comparison(old_headers, new_headers).values(f"{name} headers", old_headers, new_headers)
        old_key = was.get("bindings", {}).get("kafka", {}).get("key", {})
        new_key = now.get("bindings", {}).get("kafka", {}).get("key", {})
        yield from _Comparison(old_key, new_key).values(f"{name} key", old_key, new_key)


def published(revision: str, folder: Path) -> dict[str, Any]:
    """The documents of `folder` as they are in a git revision.

    Raises subprocess.CalledProcessError where git does not know it.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout

    names = git("ls-tree", "--name-only", revision, "./").split()
    return {name: json.loads(git("show", f"{revision}:./{name}")) for name in names if name.endswith(".json")}


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """Run the command; returns the exit status."""
    revision = [*(sys.argv[1:] if arguments is None else arguments), "HEAD"][0]
    try:
        before = published(revision, folder or SCHEMAS)
    except subprocess.CalledProcessError as error:
        print(f"git cannot show the contract of {revision}: {error.stderr.strip()}", file=sys.stderr)
        return 2
    lines = breaking_changes(before, documents())
    if lines:
        print("\n".join([f"since {revision} these changes would break subscribers:", *lines]), file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
