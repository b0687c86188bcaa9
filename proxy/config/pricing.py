"""Which model of the catalogue a target is, and what is wrong where it is none. Pure."""

from collections.abc import Iterator
from typing import Final

from proxy.config.catalogue import Catalogue, Model
from proxy.config.document import START, Fault, Node, Path, Scalar, locate, shown
from proxy.config.near import did_you_mean
from proxy.config.price_spec import Mode
from proxy.config.references import below, section_of
from proxy.config.schema import ConfigSpec, ProviderSpec, TargetSpec
from proxy.domain.price import UnpricedPolicy
from proxy.domain.snapshot import Snapshot

_UNPRICED: Final = {
    UnpricedPolicy.REFUSE: "tenants with a budget never get it",
    UnpricedPolicy.FLAG: "tenants with a budget get it, and nothing bounds its cost",
}


def models_of(config: ConfigSpec, catalogue: Catalogue) -> dict[str, Model]:
    """The catalogue's model of each target that has one there, by the target's id."""
    found: dict[str, Model] = {}
    for id, target in config.targets.items():
        model_id = model_id_of(target, config.providers[target.provider])
        if model_id is not None and (model := catalogue.models.get(model_id)) is not None:
            found[id] = model
    return found


def model_id_of(target: TargetSpec, provider: ProviderSpec) -> str | None:
    """Under which id the catalogue may know *target*; None: it is not to be looked for."""
    if target.catalog is not None or provider.catalog is None:
        return target.catalog
    return f"{provider.catalog}/{target.model}"


def unpriced_targets(snapshot: Snapshot) -> list[str]:
    """The ids of the targets whose cost is not known."""
    return [target.id for target in snapshot.targets.values() if target.price is None]


def price_warnings(root: Node, snapshot: Snapshot) -> list[Fault]:
    """Every target without a price, and every route that a tenant with a budget asks for in vain,
    since nothing there has one.
    """
    effect = _UNPRICED[snapshot.unpriced_policy]
    unpriced = [
        _warning(root, ("targets", target_id), f"has no price: {effect}")
        for target_id in unpriced_targets(snapshot)
    ]
    return unpriced + _asked_in_vain(root, snapshot)


def _asked_in_vain(root: Node, snapshot: Snapshot) -> list[Fault]:
    if snapshot.unpriced_policy is not UnpricedPolicy.REFUSE:
        return []
    vain = [
        (tenant.id, route.id)
        for tenant in snapshot.tenants.values()
        if tenant.budgeted
        for route in snapshot.routes_of(tenant)
        if all(target.price is None for target in route.targets)
    ]
    return [
        _warning(
            root,
            ("tenants", tenant_id, "budgeted"),
            f"no target of the route {shown(route_id)} has a price, so none of its requests is "
            "answered; state a price, or prices.unpriced: flag",
        )
        for tenant_id, route_id in vain
    ]


def _warning(root: Node, path: Path, message: str) -> Fault:
    return Fault(locate(root, path, at_key=True) or START, path, message)


def named_catalogue(root: Node) -> Scalar | None:
    """Where a config's tree names its catalogue file."""
    return _scalar(below(root, "prices"), "file")


def catalogue_faults(root: Node, catalogue: Catalogue | None) -> Iterator[Fault]:
    """Every target that names a model which *catalogue* lacks or has for another endpoint.

    Reads the tree, as `references` does, to speak up beside other problems.
    """
    for id, entry in section_of(root, "targets").items():
        named = _scalar(entry.node, "catalog")
        if named is None or not isinstance(named.value, str):
            continue
        message = _objection(named.value, entry.node, catalogue)
        if message is not None:
            yield Fault(named.mark, ("targets", id, "catalog"), message)


def _objection(model_id: str, target: Node, catalogue: Catalogue | None) -> str | None:
    if catalogue is None:
        return "needs a catalogue; name one as prices.file"
    model = catalogue.models.get(model_id)
    if model is None:
        kind = model_id.partition("/")[0] + "/"
        near = did_you_mean(model_id, [id for id in catalogue.models if id.startswith(kind)])
        return f"there is no {shown(model_id)} in the catalogue{near or '; add it there'}"
    embeds = below(target, "embedding_space") is not None
    if embeds is not (model.mode is Mode.EMBEDDING):
        served = "embeddings" if embeds else "chat"
        return f"is a model for {model.mode}, while this target serves {served}"
    return None


def _scalar(node: Node | None, key: str) -> Scalar | None:
    found = below(node, key)
    return found if isinstance(found, Scalar) else None
