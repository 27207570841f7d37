"""Decides from a history whether money was safe. Each rule has a name, by which violations are counted.

| rule | what is wrong |
|---|---|
| `double` | more than one effect of an intent, and the first one without `resend` in force |
| `lost` | the last word about an intent is that it happened, and it has no effect |
| `false_calm` | the last word about an intent is that it did not happen, and it has an effect |
| `silent` | nobody said what became of an intent: no operation completed, or the last one left it open |
| `needless` | an outcome was reported as unknown, and nothing was killed or disturbed |
| `late` | an effect without an operation that could have caused it: all had ended, none was in doubt |
| `unasked` | an effect that nobody asked for |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.history import Event

RULES = ("double", "lost", "false_calm", "silent", "needless", "late", "unasked")


@dataclass(frozen=True)
class Violation:
    """What is wrong with an intent."""

    rule: str
    intent: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.intent}: {self.text}"


@dataclass
class _Story:
    """What happened to one intent."""

    guarantees: set[str] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    in_doubt: bool = False
    """Whether an operation died, or left the outcome open: its request may still arrive."""
    disturbed: bool = False
    last: str = ""
    effects: int = 0
    firm: int = 0
    """Effects before the first operation that may send again."""
    late: int = 0


def stories(events: Iterable[Event]) -> dict[str, _Story]:
    """Return what happened to each intent."""
    found: dict[str, _Story] = defaultdict(_Story)
    disturbed = False
    for event in events:
        if event.kind == "disturbed":
            disturbed = True
            continue
        story = found[event.intent]
        match event.kind:
            case "invoke":
                story.guarantees.add(event.note)
                story.running.add(event.operation)
                story.last = ""
            case "effect":
                story.effects += 1
                story.firm += "resend" not in story.guarantees
                story.late += not story.running and not story.in_doubt
            case "killed":
                story.running.discard(event.operation)
                story.in_doubt = story.disturbed = True
                story.last = "killed"
            case _:
                story.running.discard(event.operation)
                story.in_doubt |= event.kind in ("unknown", "again")
                story.disturbed |= disturbed
                story.last = event.kind
    return found


def check(events: Iterable[Event]) -> list[Violation]:
    """Return what is wrong with a history that has ended."""
    return [
        Violation(rule, intent, text)
        for intent, story in stories(events).items()
        for rule, text in _problems(story)
    ]


def _problems(story: _Story) -> Iterable[tuple[str, str]]:
    effects = story.effects
    if not story.guarantees:
        yield "unasked", f"{effects} effects"
        return
    if effects > 1 and story.firm:
        yield "double", f"{effects} effects with {'/'.join(sorted(story.guarantees))}"
    if story.last == "ok" and not effects:
        yield "lost", "reported as done, and nothing happened"
    if story.last == "fail" and effects:
        yield "false_calm", f"reported as not done, with {effects} effects"
    if story.last in ("", "again", "killed"):
        yield "silent", f"the last operation ended with {story.last or 'nothing'}; {effects} effects"
    if story.last == "unknown" and not story.disturbed:
        yield "needless", "reported as unknown, though nothing went wrong"
    if story.late:
        yield "late", f"{story.late} effects when nothing was under way"


def figures(events: Iterable[Event]) -> Counter[str]:
    """Return what a history proves, in numbers."""
    counts: Counter[str] = Counter()
    for story in stories(events).values():
        if story.guarantees:
            counts["intents"] += 1
            counts["effects"] += story.effects
            counts[{"ok": "done", "fail": "not_done"}.get(story.last, story.last)] += 1
            counts["done_twice"] += story.effects > 1
    return counts
