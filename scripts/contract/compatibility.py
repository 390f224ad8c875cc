"""A comparison of two versions of a message: can programs of either version read the other's messages?

``docs/messages.md`` has the rules. The schemas are compared by their structure, so the result holds for all
messages, not only for examples.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

# Parts of a schema that do not restrict messages.
SILENT = frozenset(
    {"title", "description", "default", "examples", "$schema", "$id", "$defs", "discriminator"}
)
# Every other part of a schema that ``faults`` understands.
UNDERSTOOD = frozenset(
    "$ref type const enum pattern format minimum maximum minLength maxLength items properties required "
    "maxProperties additionalProperties anyOf oneOf".split()
)


def faults(old: Schema, new: Schema) -> list[str]:
    """Return the reasons why one version cannot read the other's messages; empty if both can."""
    before, after = _Whole(old), _Whole(new)
    return [
        *(f"old messages, new readers: {each}" for each in _refusals(before.at(old), after.at(new), "")),
        *(f"new messages, old readers: {each}" for each in _refusals(after.at(new), before.at(old), "")),
        *(f"new messages: {each}" for each in _lost(before.at(old), after.at(new), "")),
    ]


@dataclass(frozen=True)
class _Whole:
    """A schema with its definitions, in which references are looked up."""

    root: Schema

    def at(self, schema: Schema) -> "_Part":
        """Return the part to which this schema refers, or the schema itself without a reference."""
        seen = dict(schema)
        while "$ref" in seen:
            name = str(seen.pop("$ref")).removeprefix("#/$defs/")
            seen = {**self.root["$defs"][name], **seen}
        unknown = seen.keys() - SILENT - UNDERSTOOD
        if unknown:
            raise ValueError(f"comparing schemas with {', '.join(sorted(unknown))} is not implemented")
        return _Part(self, seen)


@dataclass(frozen=True)
class _Part:
    whole: _Whole
    schema: Schema

    def alternatives(self) -> list["_Part"]:
        """Return the alternatives of this schema; a value has to fit one of them."""
        each = self.schema.get("anyOf") or self.schema.get("oneOf")
        if each:
            return [found for one in each for found in self.whole.at(one).alternatives()]
        kinds = self.schema.get("type")
        if isinstance(kinds, list):
            return [_Part(self.whole, {**self.schema, "type": kind}) for kind in kinds]
        return [self]

    def field(self, name: str) -> "_Part | None":
        """Return the schema of a field, or None if there is no such field."""
        schema = self.schema.get("properties", {}).get(name)
        return None if schema is None else self.whole.at(schema)

    @property
    def is_closed(self) -> bool:
        """True if unknown fields are errors."""
        return self.schema.get("additionalProperties") is False

    def words(self) -> set[Any] | None:
        """Return all possible values, or None if the schema does not list them."""
        if "const" in self.schema:
            return {self.schema["const"]}
        return set(self.schema["enum"]) if "enum" in self.schema else None


def _refusals(written: _Part, read: _Part, at: str) -> Iterator[str]:
    """Yield the reasons why a reader would refuse a message that a writer may write."""
    readers = read.alternatives()
    for one in written.alternatives():
        reasons = [list(_refusals_of_one(one, each, at)) for each in readers]
        if all(reasons):
            yield from min(reasons, key=len)


def _refusals_of_one(written: _Part, read: _Part, at: str) -> Iterator[str]:
    writes, reads = written.schema, read.schema
    read_words, written_words = read.words(), written.words()
    if read_words is not None:
        extra = None if written_words is None else written_words - read_words
        if extra is None or extra:
            yield f"{at or '/'}: the reader knows only some values, and not {sorted(map(str, extra or ()))}"
    elif "type" in reads and (kind := _kind(written)) not in _FITTING.get(reads["type"], {reads["type"]}):
        yield f"{at or '/'}: {kind} is no {reads['type']}"
    for name, wins in BOUNDS.items():
        if name in reads and (name not in writes or wins(writes[name], reads[name])):
            yield f"{at or '/'}: {name} is {reads[name]} for the reader, and {writes.get(name)} before"
    for name in ("pattern", "format"):
        if name in reads and reads[name] != writes.get(name) and not written_words:
            yield f"{at or '/'}: the reader wants the {name} {reads[name]}"
    if "items" in reads:
        yield from _refusals(
            written.whole.at(writes.get("items", {})), read.whole.at(reads["items"]), f"{at}/items"
        )
    yield from _refusals_of_fields(written, read, at)


def _refusals_of_fields(written: _Part, read: _Part, at: str) -> Iterator[str]:
    required = set(written.schema.get("required", ()))
    for name in read.schema.get("required", ()):
        if name not in required:
            yield f"{at}/{name}: required by the reader, and may be missing"
    for name in written.schema.get("properties", {}):
        field, known = written.field(name), read.field(name)
        if field is not None and known is not None:
            yield from _refusals(field, known, f"{at}/{name}")
        elif read.is_closed:
            yield f"{at}/{name}: the reader does not know it, and refuses unknown fields"
    values = read.schema.get("additionalProperties")
    if isinstance(values, dict):
        others = written.schema.get("additionalProperties", {})
        yield from _refusals(written.whole.at(others), read.whole.at(values), f"{at}/*")
    if read.is_closed and not written.is_closed and read.schema.get("type") == "object":
        yield f"{at or '/'}: the reader refuses unknown fields"


def _lost(before: _Part, after: _Part, at: str) -> Iterator[str]:
    """Yield the fields that readers of the old version expect, and that are no longer written."""
    for one in before.alternatives():
        successors = after.alternatives()
        names = one.schema.get("properties", {}).keys()
        successor = max(successors, key=lambda each: len(names & each.schema.get("properties", {}).keys()))
        for name in names:
            field, later = one.field(name), successor.field(name)
            if later is None:
                yield f"{at}/{name}: removed"
            elif field is not None:
                yield from _lost(field, later, f"{at}/{name}")
        if "items" in one.schema and "items" in successor.schema:
            items = one.whole.at(one.schema["items"]), successor.whole.at(successor.schema["items"])
            yield from _lost(*items, f"{at}/items")


_FITTING = {"number": {"number", "integer"}}
BOUNDS: Mapping[str, Callable[[int, int], bool]] = {
    "maxProperties": lambda written, read: written > read,
    "minimum": lambda written, read: written < read,
    "maximum": lambda written, read: written > read,
    "minLength": lambda written, read: written < read,
    "maxLength": lambda written, read: written > read,
}


def _kind(part: _Part) -> str:
    kind = part.schema.get("type")
    if kind is None and (words := part.words()):
        return {str: "string", bool: "boolean", int: "integer"}[type(next(iter(words)))]
    return str(kind or "anything")
