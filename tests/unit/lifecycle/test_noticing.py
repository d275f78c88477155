"""Which change of a workload is a new release, with which number, and what caused it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.lifecycle.noticing import Begin, Known, Rebase, fingerprint, notice, release_name
from pratique.lifecycle.view import Workload
from unit.lifecycle.builders import at, known, template, workload

WINDOW = timedelta(minutes=10)
V1, V2, V3 = (template(f"registry.example/cart:{n}") for n in (1, 2, 3))


def decide(
    of: Mapping[str, Any], *earlier: Known, now: float = 0, **more: Any
) -> Begin | Rebase | None:
    seen: Workload = workload(template=of, **more)
    return notice(seen, fingerprint(of), list(earlier), window=WINDOW, now=at(now))


def cause(of: Mapping[str, Any], *earlier: Known) -> tuple[str, int | None]:
    found = decide(of, *earlier, revision="99")
    assert isinstance(found, Begin)
    return found.cause, found.rollback_to


def test_the_first_release_of_a_workload_just_made_is_judged() -> None:
    assert decide(V1) == Begin(1, "First", None, None, "Judge")


def test_what_runs_for_longer_than_the_window_is_adopted_and_measured() -> None:
    since = at(0)
    found = decide(V1, rolled_out_since=since, now=601)
    assert found == Begin(1, "First", None, None, "Measure")


def test_what_runs_for_less_than_the_window_is_judged_as_new() -> None:
    for age in (0, 30, 600):
        found = decide(V1, rolled_out_since=at(0), now=age)
        assert found == Begin(1, "First", None, None, "Judge"), age


def test_scaling_is_no_release() -> None:
    assert decide(V1, known(1, V1), desired=10, updated=3, generation=7) is None


def test_a_workload_that_is_going_begins_nothing() -> None:
    assert decide(V2, known(1, V1), deleting=True) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (V2, "Image"),
        (template(sidecar="registry.example/proxy:1"), "Image"),
        (template(env={"LOG": "debug"}), "Config"),
        (template(labels={"tier": "web"}), "Config"),
        (template(cpu="500m"), "Resources"),
        (template(restarted="2026-03-02T12:00:00Z"), "Restart"),
        (template("registry.example/cart:2", env={"LOG": "debug"}, cpu="1"), "Image"),
        (template(env={"LOG": "debug"}, cpu="1"), "Config"),
    ],
)
def test_the_cause_is_what_changed_the_weightiest_first(
    change: dict[str, Any], expected: str
) -> None:
    assert cause(change, known(1)) == (expected, None)


def test_going_back_to_an_earlier_template_is_a_rollback_to_its_number() -> None:
    found = decide(V1, known(1, V1), known(2, V2), revision="3")
    assert found == Begin(3, "Rollback", 1, "cart-2", "Judge")


def test_a_rollback_names_the_newest_release_of_that_template() -> None:
    history = [known(1, V1), known(2, V2), known(3, V1), known(4, V2)]
    assert cause(V1, *history) == ("Rollback", 3)


def test_two_quick_edits_are_two_releases() -> None:
    # Kubernetes did not look at the first edit yet, so its revision number is still the old one.
    unseen: dict[str, Any] = {"generation": 3, "observed_generation": 1, "revision": "1"}
    first = known(1, V1, revision="1")
    second = decide(V2, first, **{**unseen, "generation": 2})
    assert second == Begin(2, "Image", None, "cart-1", "Judge")
    quick = known(2, V2, revision=None, completed=False, verdict=None)
    assert decide(V3, first, quick, **unseen) == Begin(3, "Image", None, "cart-2", "Judge")


def test_a_quick_edit_and_its_undoing_are_a_release_and_a_rollback() -> None:
    quick = known(2, V2, revision=None, completed=False, verdict=None)
    found = decide(V1, known(1, V1, revision="1"), quick, revision="1", generation=3)
    assert found == Begin(3, "Rollback", 1, "cart-2", "Judge")


def test_an_edit_of_a_paused_workload_is_a_release() -> None:
    found = decide(V2, known(1, V1, revision="1"), paused=True, revision="1")
    assert found == Begin(2, "Image", None, "cart-1", "Judge")


def test_recreation_with_the_same_template_is_no_release() -> None:
    assert decide(V1, known(6, V1, workload_uid="old"), uid="new", revision="1") is None


def test_after_recreation_with_another_template_the_numbers_go_on() -> None:
    # The new object's revisions begin at 1 again, as the old one's did.
    found = decide(V2, known(6, V1, workload_uid="old", revision="1"), uid="new", revision="1")
    assert found == Begin(7, "Image", None, "cart-6", "Judge")


def test_another_hash_of_an_unchanged_revision_is_the_same_version() -> None:
    defaulted = template()
    defaulted["spec"]["aNewDefault"] = True
    assert decide(defaulted, known(4, revision="9"), revision="9") == Rebase("cart-4")
    assert isinstance(decide(defaulted, known(4, revision="9"), revision="10"), Begin)


def test_order_of_fields_and_status_do_not_change_a_hash() -> None:
    turned = dict(reversed(list(V1.items())))
    turned["spec"] = dict(reversed(list(V1["spec"].items())))
    assert fingerprint(turned).hash == fingerprint(V1).hash


def test_every_change_of_the_template_changes_the_hash() -> None:
    variants = [V1, V2, template(env={"A": "1"}), template(cpu="1"), template(restarted="now")]
    assert len({fingerprint(v).hash for v in variants}) == len(variants)


@pytest.mark.parametrize(
    ("of", "version"),
    [
        (template("registry.example:5000/cart:1.2"), "1.2"),
        (template("registry.example:5000/cart"), None),
        (template("registry.example/cart:1.2@sha256:abcdef"), "1.2"),
        (template("cart:1.2", labels={"app.kubernetes.io/version": "7"}), "7"),
        (template("cart:1.2", sidecar="proxy:9"), "1.2"),
        (template("cart:" + "v" * 80), "v" * 63),
    ],
)
def test_the_version_is_the_label_or_the_first_images_tag(
    of: dict[str, Any], version: str | None
) -> None:
    assert fingerprint(of).version == version


def test_an_init_containers_tag_is_not_the_version() -> None:
    of = template("cart:1.2")
    of["spec"]["initContainers"] = [{"name": "migrate", "image": "migrate:5"}]
    assert fingerprint(of).version == "1.2"
    assert [i.container for i in fingerprint(of).images] == ["migrate", "cart"]


def test_names_tell_kinds_apart() -> None:
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    assert [release_name(k, "cart", 7) for k in kinds] == ["cart-7", "cart-sts-7", "cart-ds-7"]


@given(
    st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]),
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True),
    st.integers(1, 10**7),
)
def test_a_name_is_a_label_value_of_at_most_63_characters(
    kind: str, name: str, number: int
) -> None:
    made = release_name(kind, name, number)
    assert len(made) <= 63
    assert made.endswith(f"-{number}")
    assert made[0].isalnum()
    assert not made.startswith("-")


def test_long_names_with_the_same_beginning_stay_apart() -> None:
    a, b = (release_name("Deployment", "x" * 70 + end, 1) for end in "ab")
    assert a != b
    assert len(a) == len(b) == 63
