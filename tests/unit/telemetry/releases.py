"""Releases as the API server would give them, at the end of their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pratique.resources.base import ObjectMeta, format_time
from pratique.resources.release import Release

NOTICED = datetime(2026, 3, 2, 9, 0, 4, tzinfo=UTC)
UID = "2f3c6f0e-6d0c-4c0d-9a55-0b6f2f1f7a11"
METADATA = ObjectMeta(name="checkout-8", namespace="shop", uid=UID)


def after(seconds: float) -> str:
    return format_time(NOTICED + timedelta(seconds=seconds))


def spec(**more: Any) -> dict[str, Any]:
    return {
        "workload": {"kind": "Deployment", "name": "checkout", "uid": "a2b7"},
        "number": 8,
        "templateHash": "6d5f7c",
        "generation": 12,
        "cause": "Image",
        "previous": "checkout-7",
        "images": [{"container": "app", "image": "registry.example:5000/shop/checkout:1.4.2"}],
        "version": "1.4.2",
        "parts": {"resources": "r", "restart": "s", "rest": "t"},
        "noticedAt": after(0),
        "plan": {
            "policy": "shop/checkout",
            "policyGeneration": 3,
            "analysis": {
                "warmUp": "5s",
                "window": "20s",
                "interval": "5s",
                "failAfter": 2,
                "rolloutDeadline": "10m",
                "deadline": "5m",
                "failFastAfter": "2m",
            },
            "objectives": [
                {
                    "name": "fast",
                    "source": "inline",
                    "indicator": {"latency": {"histogram": "h", "quantile": 0.95}},
                    "pass": [{"value": {"lte": 0.3}}],
                },
                {
                    "name": "errors",
                    "source": "ServiceLevelObjective/shop/errors@1",
                    "indicator": {
                        "ratio": {"bad": {"metric": "e_total"}, "total": {"metric": "r_total"}}
                    },
                    "pass": [{"value": {"lte": 0.01}}],
                },
            ],
        },
        **more,
    }


FAST = {
    "name": "fast",
    "result": "Fail",
    "reason": "OverBound",
    "message": "0.6 s is over 0.3 s, +200 % against checkout-7",
    "value": 0.6,
    "unit": "s",
    "bound": "≤ 0.3 s",
    "samples": 1200,
    "baseline": {"source": "LastPromotable", "release": "checkout-7", "value": 0.2, "samples": 900},
    "changePercent": 200.0,
    "provider": "monitoring/prometheus",
    "query": "histogram_quantile(0.95, …)",
}
ERRORS = {
    "name": "errors",
    "result": "Pass",
    "reason": "WithinBound",
    "message": "0.1 % is within 1 %",
    "value": 0.001,
    "unit": "ratio",
    "samples": 1200,
}


def failed() -> Release:
    """Judged over its whole window: one objective failed, one passed."""
    return Release.model_validate(
        {
            "spec": spec(),
            "status": {
                "phase": "Completed",
                "verdict": "NotPromotable",
                "completedAt": after(40),
                "rollout": {
                    "revision": "8",
                    "revisionObject": "checkout-6d5f7c",
                    "desired": 2,
                    "updated": 2,
                    "ready": 2,
                    "completedAt": after(6),
                },
                "windowFrom": after(11),
                "looks": [
                    {"at": after(11), "values": [None, 0], "results": "UP"},
                    {"at": after(16), "values": [0.59, 0], "results": "FP"},
                    {"at": after(21), "values": [0.6, 0.002], "results": "FP"},
                ],
                "judgement": {
                    "verdict": "NotPromotable",
                    "reason": "ObjectiveFailed",
                    "message": "fast: 0.6 s is over 0.3 s",
                    "window": {"from": after(11), "to": after(31)},
                    "results": [FAST, ERRORS],
                },
            },
        }
    )


def promotable() -> Release:
    """The same, with every objective kept."""
    release = failed()
    assert release.status
    assert release.status.judgement
    fine = {**FAST, "result": "Pass", "reason": "WithinBound", "message": "fine", "value": 0.2}
    return Release.model_validate(
        {
            "spec": spec(),
            "status": {
                **release.status.dump(),
                "verdict": "Promotable",
                "judgement": {
                    **release.status.judgement.dump(),
                    "verdict": "Promotable",
                    "reason": "AllObjectivesMet",
                    "message": "all objectives are met",
                    "results": [fine, ERRORS],
                },
            },
        }
    )


def stuck() -> Release:
    """Its image does not exist."""
    message = "image registry.example:5000/shop/checkout:1.4.2 of container app: not found"
    return Release.model_validate(
        {
            "spec": spec(),
            "status": {
                "verdict": "NotPromotable",
                "completedAt": after(130),
                "rollout": {
                    "desired": 2,
                    "updated": 1,
                    "diagnosis": {
                        "cause": "ImageMissing",
                        "message": message,
                        "pod": "checkout-6d5f7c-x2x4z",
                        "container": "app",
                        "definite": True,
                        "since": after(8),
                    },
                },
                "judgement": {
                    "verdict": "NotPromotable",
                    "reason": "RolloutFailed",
                    "message": message,
                },
            },
        }
    )
