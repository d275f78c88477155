"""Why a question is answered without asking anybody."""

from __future__ import annotations

from ..judge.samples import Missing


class Unasked(Exception):  # noqa: N818 — not an error of ours: it carries the answer
    """The question has its answer already: what is missing."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.message)
        self.missing = missing
