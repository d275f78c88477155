"""Groups and their members, from objects as the API server gives them."""

from __future__ import annotations

import itertools
from typing import Any

from pratique.controller.members import groups_of, joined, members_of
from pratique.controller.store import Store
from pratique.lifecycle.groups import begin
from pratique.resources.release import ReleaseSpec
from unit.lifecycle.builders import NAMESPACE, at, plan, release_spec, template

SHOP = (NAMESPACE, "ReleaseGroup", "shop")
CART = (NAMESPACE, "Deployment", "cart")
_versions = itertools.count(1)


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": "2026-03-02T12:00:00Z",
        **more,
    }


def deployment(name: str, part_of: str | None = "shop") -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": part_of} if part_of else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name, labels=labels),
        "spec": {"replicas": 1, "template": template()},
        "status": {},
    }


def group(**spec: Any) -> dict[str, Any]:
    return {"metadata": meta("shop"), "spec": {"partOf": "shop", **spec}}


def policy(name: str) -> dict[str, Any]:
    spec = {"targetRefs": [{"kind": "Deployment", "name": name}]}
    return {"metadata": meta(name), "spec": spec}


def release(spec: ReleaseSpec, name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": meta(name), "spec": spec.dump(), "status": status}


def of(workload: str, number: int, **more: Any) -> ReleaseSpec:
    ref = {"kind": "Deployment", "name": workload, "uid": "u"}
    return release_spec(plan(), workload=ref, number=number, **more)


def done(verdict: str | None = "Promotable") -> dict[str, Any]:
    return {"completedAt": "2026-03-02T12:10:00Z", **({"verdict": verdict} if verdict else {})}


def store() -> Store:
    """cart is judged, web has a policy and no release yet, stray has neither, bank is none of the shop's."""
    made = Store("pratique-system")
    for name in ("cart", "web", "stray"):
        made.put("deployments", deployment(name))
    made.put("deployments", deployment("bank", "bank"))
    for name in ("cart", "web"):
        made.put("releasepolicies", policy(name))
    made.put("releases", release(of("cart", 1), "cart-1", **done()))
    made.put("releases", release(of("cart", 2), "cart-2"))
    assert made.put("releasegroups", group()) == {SHOP}
    return made


def begun(s: Store, number: int = 1) -> None:
    """A release of the group with its members as they stand."""
    shop = s.groups[(NAMESPACE, "shop")]
    spec = begin(shop, members_of(s, shop), [], s.library, at(0))
    s.put("releases", release(spec, f"shop-grp-{number}"))


def test_members_stand_with_their_newest_release_or_with_why_they_have_none() -> None:
    s = store()
    found = members_of(s, s.groups[(NAMESPACE, "shop")])
    assert [(m.name, m.newest.name if m.newest else None, m.missing) for m in found] == [
        ("cart", "cart-2", ""),
        ("stray", None, "NoPolicy"),
        ("web", None, "NoRelease"),
    ]
    assert found[0].ends_by is not None


def test_what_is_only_recorded_is_passed_over() -> None:
    s = store()
    s.put("releases", release(of("cart", 2), "cart-2", **done()))
    s.put(
        "releases",
        release(of("cart", 3, cause="Restart", purpose="Record"), "cart-3", **done(None)),
    )
    begun(s)
    record = s.record(NAMESPACE, "shop-grp-1")
    assert record is not None
    found = joined(s, record)
    assert found is not None
    cart = found[("Deployment", "cart")]
    assert cart.release is not None
    assert (cart.release.name, cart.newest) == ("cart-2", "cart-2")
    assert [k.name for k in cart.recorded] == ["cart-3"]


def test_a_newer_release_of_a_member_is_seen_and_a_group_that_is_gone_too() -> None:
    s = store()
    begun(s)
    s.put("releases", release(of("cart", 3), "cart-3"))
    record = s.record(NAMESPACE, "shop-grp-1")
    assert record is not None
    found = joined(s, record)
    assert found is not None
    assert found[("Deployment", "cart")].newest == "cart-3"
    assert found[("Deployment", "web")].newest is None
    assert s.drop("releasegroups", NAMESPACE, "shop") == {SHOP}
    assert joined(s, record) is None


def test_what_is_no_groups_release_joins_nothing() -> None:
    s = store()
    record = s.record(NAMESPACE, "cart-1")
    assert record is not None
    found = joined(s, record)
    assert found is None  # a workload's release: nothing is joined in it
    assert groups_of(s, SHOP) == []


def test_who_must_look_when_a_member_changes() -> None:
    s = store()
    assert groups_of(s, CART) == [SHOP]
    assert groups_of(s, (NAMESPACE, "Deployment", "bank")) == []
    begun(s)
    # It is no member any more, and the group's release still names it.
    woken = s.put("deployments", deployment("cart", "bank"))
    assert SHOP in woken
    assert groups_of(s, CART) == [SHOP]
    assert SHOP in s.drop("deployments", NAMESPACE, "web")


def test_what_a_group_refers_to_wakes_it() -> None:
    s = store()
    objective = {
        "indicator": {"kubernetes": {"signal": "Restarts"}},
        "pass": [{"value": {"lte": 0}}],
    }
    body = {"metadata": meta("calm"), "spec": objective}
    assert SHOP in s.put("servicelevelobjectives", body)
    assert s.put("releasegroups", group()) == set()


def test_a_group_that_is_not_understood_is_told_so() -> None:
    s = store()
    assert s.put("releasegroups", group(quorum=0)) >= {SHOP}
    assert (NAMESPACE, "shop") not in s.groups
    assert "quorum" in s.refused_accounts[SHOP]
    assert s.put("releasegroups", group()) == {SHOP}
    assert SHOP not in s.refused_accounts
