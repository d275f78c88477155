"""Which workloads belong together, when a release of theirs begins, and what the group's status says."""

from __future__ import annotations

from typing import Any

import pytest

from pratique.lifecycle.group_summary import summarize
from pratique.lifecycle.groups import (
    BASIS,
    Begins,
    Group,
    Member,
    Settling,
    begin,
    belongs,
    disagreement,
    ends_by,
    names,
    notice,
)
from pratique.lifecycle.noticing import Known, release_name
from pratique.lifecycle.planning import Unresolved
from pratique.resources.conditions import find
from pratique.resources.group import ReleaseGroupSpec, needed
from pratique.resources.hold import HoldTerms
from unit.lifecycle.builders import (
    ERRORS,
    NAMESPACE,
    RESTARTS,
    at,
    known,
    library,
    plan,
    release_spec,
    workload,
)


def group(**spec: Any) -> Group:
    given = {"partOf": "shop", **spec}
    if {"targetRefs", "selector"} & spec.keys():
        del given["partOf"]
    return Group(NAMESPACE, "shop", "uid-g", 3, at(0), ReleaseGroupSpec.model_validate(given))


def release(name: str, number: int = 1, noticed: float = 0, **more: Any) -> Known:
    return known(number, name=f"{name}-{number}", noticed_at=at(noticed), **more)


def member(name: str, number: int = 1, noticed: float = 0, **more: Any) -> Member:
    return Member("Deployment", name, release(name, number, noticed, **more))


def of_group(number: int, *members: Member, **more: Any) -> Known:
    """A release of the group that names these."""
    return release("shop-grp", number, members=tuple(m.identity for m in members), **more)


REFS = [{"kind": "Deployment", "name": n} for n in ("cart", "pay")]


@pytest.mark.parametrize(
    ("spec", "labels", "expected"),
    [
        ({}, {"app.kubernetes.io/part-of": "shop"}, True),
        ({}, {"app.kubernetes.io/part-of": "bank"}, False),
        ({}, {}, False),
        ({"selector": {"matchLabels": {"team": "a"}}}, {"team": "a"}, True),
        ({"selector": {"matchLabels": {"team": "a"}}}, {"team": "b"}, False),
        ({"targetRefs": REFS}, {}, True),
        ({"targetRefs": REFS[1:]}, {}, False),
    ],
)
def test_who_belongs(spec: dict[str, Any], labels: dict[str, str], expected: bool) -> None:
    assert belongs(group(**spec), workload(labels=labels)) is expected
    assert not belongs(group(**spec), workload(labels=labels, namespace="other"))
    assert not belongs(group(**spec), workload(labels=labels, deleting=True))


def test_who_is_named_is_a_member_though_it_is_not_there() -> None:
    found = names(group(targetRefs=REFS), [workload()])
    assert found == [("Deployment", "cart", True), ("Deployment", "pay", False)]
    assert names(group(), [workload()]) == []


@pytest.mark.parametrize(
    ("quorum", "members", "expected"),
    [(None, 3, 3), (None, 0, 1), (2, 3, 2), ("60%", 3, 2), ("100%", 3, 3), ("1%", 3, 1), ("50%", 5, 3)],
)  # fmt: skip
def test_how_many_are_needed(quorum: int | str | None, members: int, expected: int) -> None:
    assert needed(quorum, members) == expected


CART, WEB = member("cart", noticed=100), member("web", noticed=30)
ADOPTED = member("old", purpose="Measure", verdict=None)
BARE = Member("Deployment", "bare", missing="NoPolicy")


@pytest.mark.parametrize(
    ("members", "before", "now", "expected"),
    [
        ([], [], 200, None),
        ([ADOPTED, BARE], [], 200, None),
        ([CART, WEB], [], 89, Settling(at(90), "web-1")),
        ([CART, WEB], [], 90, Begins()),
        ([CART, ADOPTED, BARE], [], 160, Begins()),
        ([CART, WEB], [of_group(1, CART, WEB)], 500, None),
        ([CART, WEB], [of_group(1, WEB)], 159, Settling(at(160), "cart-1")),
        ([CART, WEB], [of_group(1, WEB)], 160, Begins()),
        # One went, or joined without anything to judge: as long as the group stands promotable, nothing.
        ([CART], [of_group(1, CART, WEB)], 500, None),
        ([CART, BARE, ADOPTED], [of_group(1, CART)], 500, None),
        ([CART], [of_group(1, CART, WEB, verdict="Inconclusive", noticed=450)], 500,
         Settling(at(510), "shop-grp-1")),
        ([CART], [of_group(1, CART, WEB, verdict=None, noticed=450)], 510, Begins()),
        # A second attempt of the same version is another release.
        ([Member("Deployment", "cart", known(1, name="cart-1-a2", attempt=2, noticed_at=at(300)))],
         [of_group(1, CART)], 360, Begins()),
    ],
)  # fmt: skip
def test_when_a_release_of_the_group_begins(
    members: list[Member], before: list[Known], now: float, expected: object
) -> None:
    assert notice(group(), members, before, at(now)) == expected


def test_what_stands_is_carried_and_what_changed_is_awaited() -> None:
    changed = Member("Deployment", "cart", release("cart", 2, 100, verdict=None), ends_by=at(700))
    spec = begin(
        group(quorum="50%", optional=REFS[1:]),
        [changed, member("pay", verdict="NotPromotable", reason="ObjectiveFailed"), WEB, BARE],
        [of_group(6, CART, WEB)],
        library(),
        at(160),
    )
    assert (spec.workload.kind, spec.number, spec.cause) == ("ReleaseGroup", 7, "Members")
    assert spec.previous == "shop-grp-6"
    assert [(m.name, m.release, m.verdict, m.reason, m.optional) for m in spec.members] == [
        ("cart", "cart-2", None, None, None),
        ("pay", "pay-1", "NotPromotable", "ObjectiveFailed", True),
        ("web", "web-1", "Promotable", "AllObjectivesMet", None),
        ("bare", None, None, "NoPolicy", None),
    ]
    assert spec.group is not None
    assert spec.group.needed == 2  # half of the three that are not optional, rounded up
    assert spec.group.deadline.total_seconds() == 700 - 160 + 300
    assert spec.plan.objectives == []
    assert spec.plan.basis == BASIS
    assert release_name("ReleaseGroup", "shop", spec.number) == "shop-grp-7"
    again = begin(group(), [WEB, changed], [], library(), at(160))
    assert (again.number, again.cause, again.previous) == (1, "First", None)


def test_objectives_are_resolved_as_a_policys() -> None:
    spec = begin(group(objectives=[ERRORS]), [CART], [], library(), at(200))
    assert [o.name for o in spec.plan.objectives] == ["errors"]
    assert spec.plan.basis is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"objectives": [{"ref": "none"}]}, "spec.objectives[0].ref: there is no ServiceLevelObjective"),
        ({"objectives": [RESTARTS]}, "spec.objectives[0].indicator.kubernetes: Kubernetes' signals"),
        (
            {"objectives": [{**ERRORS, "indicator": {**ERRORS["indicator"], "attribution": "Version"}}]},
            "spec.objectives[0].indicator.attribution: a group has no version",
        ),
    ],
)  # fmt: skip
def test_what_a_group_cannot_be_judged_by_is_said(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(Unresolved) as caught:
        begin(group(**spec), [CART], [], library(), at(200))
    assert said in str(caught.value)


def test_how_long_its_releases_are_kept_stands_in_the_plan() -> None:
    spec = begin(group(retention={"count": 3}), [CART], [], library(), at(200))
    assert spec.plan.retention is not None
    assert spec.plan.retention.count == 3
    assert spec.plan.watch_for is None


def test_tasks_and_promotion_stand_in_the_plan() -> None:
    call = {"name": "tell", "at": "After", "http": {"url": "https://deploy.example/$workload"}}
    spec = begin(group(tasks=[call], promotion={"soak": "5m"}), [CART], [], library(), at(200))
    assert [t.name for t in spec.plan.tasks] == ["tell"]
    assert spec.plan.promotion is not None


def test_too_many_members_are_told() -> None:
    many = [member(f"m{n}") for n in range(33)]
    with pytest.raises(Unresolved, match="33 workloads match, and a group has at most 32"):
        begin(group(), many, [], library(), at(200))


def test_by_when_a_members_release_ends_by_its_own_plan() -> None:
    spec = release_spec(plan(maxWindow="30m"), noticed=10)
    assert ends_by(spec) == at(10 + 11 * 60 + 60 + 30 * 60)
    held = spec.plan.model_copy(update={"hold": HoldTerms()})
    assert ends_by(spec.model_copy(update={"plan": held})) == at(10 + 3600 + 11 * 60 + 60 + 30 * 60)


# --- the group's status ------------------------------------------------------------------------

REVOKED = member("pay", revoked=True, reason="Revoked")
PENDING = member("cart", 2, verdict=None, completed=False)


@pytest.mark.parametrize(
    ("members", "newest", "settling", "problem", "expected"),
    [
        ([], None, None, None, ("Unknown", "NoWorkload")),
        ([ADOPTED, BARE], None, None, None, ("Unknown", "NoRelease")),
        ([CART], None, None, "spec.objectives[0]: no", ("Unknown", "Unresolved")),
        ([CART], None, Settling(at(60), "cart-1"), None, ("Unknown", "Settling")),
        ([CART], of_group(1, CART, reason="AllMembersPromotable"), None, None,
         ("True", "AllMembersPromotable")),
        ([CART, REVOKED], of_group(1, CART, REVOKED), None, None, ("False", "Revoked")),
        ([CART], of_group(1, CART, WEB, reason="AllMembersPromotable"), None, None,
         ("True", "AllMembersPromotable")),
        ([CART, BARE], of_group(1, CART), None, None, ("Unknown", "NoRelease")),
        ([CART], of_group(1, CART, verdict="NotPromotable", reason="MemberNotPromotable"), None, None,
         ("False", "MemberNotPromotable")),
        ([PENDING], of_group(2, PENDING, verdict=None), None, None, ("Unknown", "InProgress")),
        ([CART], of_group(1, CART, verdict="Inconclusive", reason="MemberInconclusive"), None, None,
         ("Unknown", "MemberInconclusive")),
    ],
)  # fmt: skip
def test_what_the_group_says_of_itself(
    members: list[Member],
    newest: Known | None,
    settling: Settling | None,
    problem: str | None,
    expected: tuple[str, str],
) -> None:
    def made(before: Any, now: float) -> Any:
        return summarize(
            group(), before, members, newest=newest, settling=settling, problem=problem, now=at(now)
        )

    status = made(None, 10)
    promotable = find(status.conditions, "Promotable")
    assert promotable is not None
    assert (promotable.status, promotable.reason) == expected
    assert (find(status.conditions, "Stalled") is not None) == (problem is not None)
    assert made(status, 99) == status


def test_a_dry_run_holds_nobody_back() -> None:
    bad = of_group(1, CART, verdict="NotPromotable", reason="MemberNotPromotable")
    status = summarize(
        group(mode="DryRun"), None, [CART], newest=bad, settling=None, problem=None, now=at(0)
    )
    promotable = find(status.conditions, "Promotable")
    assert promotable is not None
    assert (promotable.status, promotable.reason) == ("Unknown", "DryRun")


def test_each_member_is_shown_worst_first() -> None:
    failed = member("pay", verdict="NotPromotable", reason="RolloutFailed")
    status = summarize(
        group(optional=REFS[:1]), None, [BARE, CART, PENDING, failed],
        newest=None, settling=None, problem=None, now=at(0),
    )  # fmt: skip
    assert [(m.release, m.verdict, m.reason, m.optional) for m in status.members] == [
        ("pay-1", "NotPromotable", "RolloutFailed", None),
        (None, None, "NoPolicy", None),
        ("cart-2", None, "InProgress", True),
        ("cart-1", "Promotable", "AllObjectivesMet", True),
    ]
    assert (status.total, status.promotable, status.not_promotable, status.pending) == (4, 1, 1, 2)


# --- a member's own promotion -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ([], "it is promoted with its group, and no ReleaseGroup has it as a member"),
        ([("shop", [])], "ReleaseGroup shop has no release with cart-1 yet"),
        ([("shop", [of_group(1, WEB)])], "ReleaseGroup shop has no release with cart-1 yet"),
        ([("shop", [of_group(1, CART, verdict=None)])], "shop-grp-1 has no verdict yet"),
        (
            [("shop", [of_group(1, CART, verdict="NotPromotable", reason="MemberNotPromotable")])],
            "shop-grp-1 is not promotable (MemberNotPromotable)",
        ),
        ([("shop", [of_group(1, CART, reason="Revoked")])], "shop-grp-1 is not promotable (Revoked)"),
        ([("shop", [of_group(1, CART)])], None),
        ([("shop", [of_group(1, CART), of_group(2, CART, WEB, verdict=None)])], "shop-grp-2 has no verdict yet"),
        ([("a", [of_group(1, CART)]), ("b", [])], "ReleaseGroup b has no release with cart-1 yet"),
    ],
)  # fmt: skip
def test_a_member_is_promoted_once_all_its_groups_agree(
    histories: list[tuple[str, list[Known]]], expected: str | None
) -> None:
    assert disagreement(("Deployment", "cart", "cart-1"), histories) == expected
