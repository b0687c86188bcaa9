"""Whether what a config refers to stands in it, and whether routes fit together. Pure.

These checks read the tree and not the checked values, so that they speak up even where other
problems keep the file from being understood as a whole.
"""

from collections.abc import Iterator

from proxy.config.document import Entry, Fault, Mapping, Node, Path, Scalar, Sequence, shown
from proxy.config.near import did_you_mean


def reference_faults(root: Node) -> Iterator[Fault]:
    """Every id that is used but not there, or used twice, and every route of a mixed kind."""
    yield from _providers(root)
    yield from _lists(root, "routes", "targets")
    yield from _lists(root, "tenants", "routes")
    yield from _spaces(root)


def _providers(root: Node) -> Iterator[Fault]:
    known = section_of(root, "providers")
    for target_id, entry in section_of(root, "targets").items():
        provider = below(entry.node, "provider")
        if isinstance(provider, Scalar):
            yield from unknown(provider, ("targets", target_id, "provider"), known, "providers")


def _lists(root: Node, section: str, key: str) -> Iterator[Fault]:
    """The lists *key* of *section*, whose items are ids of the section of that name."""
    known = section_of(root, key)
    for owner_id, entry in section_of(root, section).items():
        seen: dict[object, Scalar] = {}
        for index, item in _items(entry.node, key):
            path = (section, owner_id, key, index)
            if item.value in seen:
                yield Fault(item.mark, path, "stands in this list already; remove one of the two")
            else:
                seen[item.value] = item
                yield from unknown(item, path, known, key)


def _spaces(root: Node) -> Iterator[Fault]:
    targets = section_of(root, "targets")
    for route_id, entry in section_of(root, "routes").items():
        items = [(index, item) for index, item in _items(entry.node, "targets")]
        placed = [(index, item) for index, item in items if item.value in targets]
        spaces = [_space(targets[str(item.value)].node) for _, item in placed]
        for (index, item), space in zip(placed[1:], spaces[1:], strict=True):
            if space != spaces[0]:
                first = placed[0][1]
                path = ("routes", route_id, "targets", index)
                yield Fault(item.mark, path, _mismatch(first, spaces[0], space))


def _mismatch(first: Scalar, wanted: str | None, found: str | None) -> str:
    if wanted is None or found is None:
        kinds = ("serves chat", "embeddings") if wanted is None else ("serves embeddings", "chat")
        return (
            f"is for {kinds[1]}, while {shown(str(first.value))} before it {kinds[0]}; "
            "make two routes"
        )
    return (
        f"has the embedding space {shown(found)}, while {shown(str(first.value))} before it has "
        f"{shown(wanted)}; vectors of two spaces cannot be compared, so make two routes"
    )


def _space(target: Node) -> str | None:
    space = below(target, "embedding_space")
    return str(space.value) if isinstance(space, Scalar) else None


def unknown(item: Scalar, path: Path, known: dict[str, Entry], section: str) -> Iterator[Fault]:
    """A fault if *item* is an id that *section* lacks; what is no text is the schema's business."""
    if isinstance(item.value, str) and item.value not in known:
        near = did_you_mean(item.value, known) or f"; add it under '{section}'"
        yield Fault(item.mark, path, f"there is no {shown(item.value)} among the {section}{near}")


def section_of(root: Node, name: str) -> dict[str, Entry]:
    """The entries of the section *name*; none if it is not there or no mapping."""
    section = below(root, name)
    return section.entries if isinstance(section, Mapping) else {}


def _items(owner: Node, key: str) -> Iterator[tuple[int, Scalar]]:
    found = below(owner, key)
    if isinstance(found, Sequence):
        for index, item in enumerate(found.items):
            if isinstance(item, Scalar):
                yield index, item


def below(node: Node | None, key: str) -> Node | None:
    """What stands under *key*, if *node* is a mapping that has it."""
    if not isinstance(node, Mapping) or key not in node.entries:
        return None
    return node.entries[key].node
