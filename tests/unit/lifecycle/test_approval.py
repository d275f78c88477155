"""Approval by annotation: the command that is shown works in any namespace, and not without a name of one's own."""

from __future__ import annotations

from pratique.lifecycle.approval import approval
from pratique.resources.promotion import APPROVAL_ANNOTATION


def test_the_command_that_is_shown_approves_only_with_a_name_in_it() -> None:
    asked = approval({}, "Rollout", None, "cart-7 -n shop")
    assert asked.said == "Nothing"
    _, _, command = asked.message.partition(": ")
    assert command.startswith("kubectl annotate rel cart-7 -n shop ")
    annotation = command.partition(f"{APPROVAL_ANNOTATION}=")[2].rstrip("'")
    as_shown = approval({APPROVAL_ANNOTATION: annotation}, "Rollout", None, "cart-7 -n shop")
    assert as_shown.said == "Nothing"
    assert "kubectl auth whoami tells yours" in as_shown.message
    named = annotation.replace("YOUR USER NAME", "alice")
    assert approval({APPROVAL_ANNOTATION: named}, "Rollout", None, "cart-7").said == "Approved"
