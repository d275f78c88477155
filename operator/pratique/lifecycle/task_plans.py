"""A policy's tasks resolved in full: templates written out, their parameters' values given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..resources.release import PlanAnalysis
from ..resources.task import (
    Doing,
    PlannedTask,
    Task,
    TaskPlace,
    TaskTemplateSpec,
    TaskTerms,
    check_owner,
)
from .library import Library, Unresolved


def planned_tasks(tasks: Sequence[Task], library: Library, namespace: str) -> list[PlannedTask]:
    """The tasks of a policy of that namespace; raises Unresolved with the field's path and the mend."""
    return [
        _planned(task, library, namespace, f"spec.tasks[{index}]")
        for index, task in enumerate(tasks)
    ]


def with_owner(
    analysis: PlanAnalysis, tasks: Sequence[PlannedTask], delay: timedelta
) -> PlanAnalysis:
    """The terms of judging, where a task owns the window: it may last as long as the task may."""
    owner = next((t for t in tasks if t.owns_window), None)
    if owner is None:
        return analysis
    longest = owner.limit + 2 * analysis.interval
    return analysis.model_copy(
        update={
            "max_window": max(analysis.max_window or analysis.window, longest),
            "deadline": max(
                analysis.deadline,
                analysis.warm_up + owner.limit + longest + delay + timedelta(minutes=1),
            ),
        }
    )


def _planned(task: Task, library: Library, namespace: str, field: str) -> PlannedTask:
    place = {n: getattr(task, n) for n in TaskPlace.model_fields}
    if task.ref is None:
        return PlannedTask(**_of(task), **_terms(task), **place)
    found = library.find(library.templates, namespace, task.ref)
    if found is None:
        raise Unresolved(
            f"{field}.ref",
            f"there is no TaskTemplate {task.ref!r} in namespace {namespace} nor in "
            f"{library.namespace}: apply it, or write the task out here",
        )
    template = found.spec
    if task.owns_window:
        try:
            check_owner(template)
        except ValueError as problem:
            raise Unresolved(f"{field}.ownsWindow", str(problem)) from None
    place["args"] = _arguments(task, template, field)
    return PlannedTask(
        **_of(template),
        **_terms(task, template),
        **place,
        source=f"TaskTemplate/{found.namespace}/{found.name}@{found.generation}",
    )


def _of(doing: Doing) -> dict[str, object]:
    return {n: getattr(doing, n) for n in Doing.model_fields}


def _terms(*given: TaskTerms) -> dict[str, object]:
    """Each term by the first that says it."""
    return {
        n: next((v for g in given if (v := getattr(g, n)) is not None), None)
        for n in TaskTerms.model_fields
    }


def _arguments(task: Task, template: TaskTemplateSpec, field: str) -> dict[str, str]:
    known = {p.name: p.default for p in template.parameters}
    for name in task.args:
        if name not in known:
            there = ", ".join(known) or "none"
            raise Unresolved(
                f"{field}.args.{name}",
                f"TaskTemplate {task.ref!r} has no such parameter: it has {there}",
            )
    given = {**known, **task.args}
    missing = [n for n, v in given.items() if v is None]
    if missing:
        raise Unresolved(
            f"{field}.args",
            f"TaskTemplate {task.ref!r} wants a value for {', '.join(missing)}: give it here",
        )
    return {n: v for n, v in given.items() if v is not None}
