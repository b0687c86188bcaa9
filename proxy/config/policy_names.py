"""Whether what policies name is there: ids of the config, and words that targets bear. Pure.

An id that is not there is a fault: nobody can have meant it. A word of the operators' own (a
region, a certification, a tag) that no target bears is a warning: the rule may have been written
ahead of the provider, or have outlived it.
"""

from collections.abc import Collection, Iterator
from typing import Final

from proxy.config.document import Fault, Mapping, Node, Path, Scalar, Sequence, shown
from proxy.config.near import did_you_mean
from proxy.config.references import below, section_of, unknown
from proxy.domain.policies import stated
from proxy.domain.rules import Attribute
from proxy.domain.snapshot import Snapshot

Named = tuple[Path, str, Scalar]
"""Where a word stands, the key that it stands under, and the word."""

SECTION_OF_KEY: Final = {
    "tenant": "tenants",
    "route": "routes",
    "tool_origin": "providers",
    "provider": "providers",
    "target": "targets",
}
ON_TARGETS: Final = ("require", "forbid", "prefer")


def policy_faults(root: Node) -> Iterator[Fault]:
    """Every id in `policies` that is not there, and every policy whose id another has."""
    first: dict[object, Scalar] = {}
    for index, policy in _listed(below(root, "policies")):
        id_ = below(policy, "id")
        if isinstance(id_, Scalar):
            if id_.value in first:
                line = first[id_.value].mark.line
                message = f"is the id of another policy (in line {line}); rename one of the two"
                yield Fault(id_.mark, ("policies", index, "id"), message)
            first.setdefault(id_.value, id_)
        for path, key, word in _words(policy, ("policies", index)):
            if (section := SECTION_OF_KEY.get(key)) is not None:
                yield from unknown(word, path, section_of(root, section), section)


def word_warnings(root: Node, snapshot: Snapshot) -> Iterator[Fault]:
    """Every word that policies look for on targets or tenants and that none of them bears."""
    known = {attribute.value: _borne(snapshot, attribute) for attribute in Attribute}
    tiers = {tenant.tier for tenant in snapshot.tenants.values()}
    for index, policy in _listed(below(root, "policies")):
        for path, key, word in _words(policy, ("policies", index)):
            text = str(word.value)
            if path[2] in ON_TARGETS and key not in SECTION_OF_KEY and text not in known[key]:
                yield Fault(word.mark, path, _unborne("target", known[key], text))
            elif path[2] == "when" and key == "tier" and text not in tiers:
                yield Fault(word.mark, path, _unborne("tenant", tiers, text))


def _unborne(owner: str, known: Collection[str], text: str) -> str:
    near = did_you_mean(text, list(known))
    return f"no {owner} has {shown(text)}{near or ', so this can match nothing'}"


def _borne(snapshot: Snapshot, attribute: Attribute) -> set[str]:
    return {
        str(word)
        for target in snapshot.targets.values()
        for word in stated(target, attribute) or ()
    }


def _words(policy: Node, path: Path) -> Iterator[Named]:
    """The words that the conditions of *policy*, and what it says of targets, name."""
    when = below(policy, "when")
    if when is not None:
        yield from _in_when(when, (*path, "when"))
    for section in ON_TARGETS:
        said = below(policy, section)
        if isinstance(said, Mapping):
            yield from _in_mapping(said, (*path, section))
        for index, item in _listed(said):
            if isinstance(item, Mapping):
                yield from _in_mapping(item, (*path, section, index))


def _in_when(when: Node, path: Path) -> Iterator[Named]:
    if not isinstance(when, Mapping):
        return
    yield from _in_mapping(when, path)
    if (denied := below(when, "not")) is not None:
        yield from _in_when(denied, (*path, "not"))
    for key in ("all", "any"):
        for index, part in _listed(below(when, key)):
            yield from _in_when(part, (*path, key, index))


def _in_mapping(mapping: Mapping, path: Path) -> Iterator[Named]:
    for key, entry in mapping.entries.items():
        if isinstance(entry.node, Scalar):
            yield (*path, key), key, entry.node
        for index, item in _listed(entry.node):
            if isinstance(item, Scalar):
                yield (*path, key, index), key, item


def _listed(node: Node | None) -> Iterator[tuple[int, Node]]:
    if isinstance(node, Sequence):
        yield from enumerate(node.items)
