"""Sentences of kubelets, container runtimes, registries, the scheduler and admission, told apart.

Only words: a sentence in, the cause's name out, perhaps with the object it names. The words are those that
Kubernetes 1.32 to 1.36, containerd and CRI-O write; a sentence that is new falls into its family's last row.
Not here: whether the sentence still counts (``diagnosis``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Patterns = Sequence[tuple[str, re.Pattern[str]]]


def _table(*rows: tuple[str, str]) -> Patterns:
    return tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in rows)


_IMAGE = _table(
    (
        "ImagePullRateLimit",
        r"toomanyrequests|too many requests|rate limit|\b429\b|pull QPS exceeded",
    ),
    (
        "ImagePlatformMismatch",
        r"no match for platform|no matching manifest|no image found in (manifest list|image index)"
        r"|no child with platform|no suitable image found|exec format error",
    ),
    # A registry that cannot be reached says nothing of the image, even where its name is "not found".
    (
        "ImageRegistryUnavailable",
        r"no such host|i/o timeout|connection (refused|reset)|tls: |tls handshake|x509:"
        r"|network is unreachable|no route to host|deadline exceeded|server misbehaving|\bEOF\b"
        r"|\b50[0234]\b|service unavailable|bad gateway|gateway time-?out|internal server error"
        r"|client\.timeout|request canceled|http: server gave http response to https client"
        r"|pinging container registry",
    ),
    (
        "ImageUnauthorized",
        r"unauthori[sz]ed|authentication required|authorization failed|no basic auth credentials"
        r"|access denied|access to the resource is denied|insufficient_scope|\b40[13]\b|forbidden"
        r"|permission denied|denied:|unable to retrieve auth token|invalid username/password",
    ),
    (
        "ImageMissing",
        r"not found|notfound|manifest unknown|manifest_unknown|name unknown|name_unknown"
        r"|does not exist|not present with pull policy|\b404\b|no such image|reading manifest",
    ),
    ("ImageNameInvalid", r"invalid reference format|couldn't parse image|failed to apply default image tag"),
    ("ImageRefused", r"signature|policy requirement|trust policy"),
)  # fmt: skip
_CONFIG = _table(
    (
        "ConfigMissing",
        r"(configmaps?|secrets?) \"[^\"]+\" not found|couldn't find key|non-existent (config|secret) key",
    ),
    ("ServiceAccountMissing", r"serviceaccounts? \"[^\"]+\" not found"),
    ("SecurityContextRefused", r"runasnonroot|run as root|non-numeric user"),
)
_MOUNT = _table(
    *((cause, pattern.pattern) for cause, pattern in _CONFIG[:2]),
    ("VolumeInUse", r"multi-attach error|already (exclusively )?attached to (one|another) node|is already used by pod"),
    ("VolumeNotMounted", r""),
)  # fmt: skip
_REFUSED = _table(
    (
        "ServiceAccountMissing",
        r"error looking up service account|serviceaccounts? \"[^\"]+\" not found",
    ),
    ("QuotaExceeded", r"exceeded quota|failed quota|insufficient quota to match"),
    (
        "LimitRangeViolated",
        r"(minimum|maximum) \S+ usage per|max limit to request ratio per",
    ),
    ("AdmissionUnavailable", r"failed calling webhook|failed to call webhook"),
    (
        "AdmissionRejected",
        r"admission webhook .* denied|violates podsecurity|validatingadmissionpolicy"
        r"|denied (the )?request|security context constraint|pod security policy",
    ),
    ("PodsRefused", r""),
)
_VOLUME = _table(
    (
        "ClaimMissing",
        r"persistentvolumeclaim \"[^\"]+\" (not found|is being deleted|bound to non-existent)"
        r"|bound to non-existent pv",
    ),
    (
        "VolumeUnbound",
        r"unbound immediate persistentvolumeclaims|volume node affinity conflict"
        r"|no available volume zone|max volume count|available persistent volumes to bind"
        r"|no available disk|readwriteoncepod|waiting for ephemeral volume|enough free storage",
    ),
)
_CLAUSE = _table(
    ("InsufficientCpu", r"insufficient cpu"),
    ("InsufficientMemory", r"insufficient memory"),
    ("InsufficientResource", r"insufficient |too many pods|cannot allocate all claims"),
    ("PortsTaken", r"free ports"),
    (
        "AffinityNotMet",
        r"affinity|topology spread|requested node name|didn't match node selector",
    ),
    ("TaintNotTolerated", r"taint"),
    ("Unschedulable", r""),
)
_NO_HOME = re.compile(
    r"node-role\.kubernetes\.io/(control-plane|master)|node\.kubernetes\.io/(not-ready|unreachable"
    r"|unschedulable|network-unavailable|disk-pressure|memory-pressure|pid-pressure)"
    r"|node\.cloudprovider\.kubernetes\.io/|were unschedulable|unknown conditions",
    re.IGNORECASE,
)
"""Nodes that are nobody's home just now: they tell what is wrong only where there are no others."""
_NAMED = re.compile(
    r"(?P<kind>configmap|secret|persistentvolumeclaim|serviceaccount)s? \"(?P<name>[^\"]+)\""
    r"|in (?P<kind2>ConfigMap|Secret) [^/\s]+/(?P<name2>[^\s,:;]+)"
    r"|(exceeded|failed) quota: (?P<quota>[^\s,:]+)",
    re.IGNORECASE,
)


def image(sentence: str) -> str:
    """Why an image cannot be pulled."""
    return _first(_IMAGE, sentence) or "ImagePullFailed"


def wrong_platform(sentence: str) -> bool:
    """Whether a program could not begin because it is another machine's."""
    return "exec format error" in sentence.lower()


def config(sentence: str) -> str:
    """Why a container cannot be configured or made."""
    return _first(_CONFIG, sentence) or "ContainerCannotStart"


def mount(sentence: str) -> str:
    """Why a volume cannot be attached or mounted."""
    return _first(_MOUNT, sentence) or "VolumeNotMounted"


def refused(sentence: str) -> str:
    """Why pods cannot be made."""
    return _first(_REFUSED, sentence) or "PodsRefused"


def unschedulable(sentence: str) -> str:
    """Why no node takes the pod: what holds for most of the nodes that could be its home."""
    # Whether others could make way says nothing of why there is no room.
    text = sentence.partition(" preemption:")[0]
    volume = _first(_VOLUME[:1], text)
    if volume:
        return volume
    counts: dict[str, tuple[bool, int]] = {}
    for number, clause in re.findall(r"\b(\d+) (.+?)(?=, \d+ |\.?$|\. )", text.partition(": ")[2]):
        cause = _first(_VOLUME, clause) or _first(_CLAUSE, clause) or "Unschedulable"
        home, before = not _NO_HOME.search(clause), counts.get(cause, (False, 0))
        counts[cause] = max(before, (home, int(number) + (before[1] if before[0] == home else 0)))
    if counts:
        return max(counts, key=lambda cause: counts[cause])
    return _first(_VOLUME, text) or _first(_CLAUSE, text) or "Unschedulable"


def named(sentence: str) -> tuple[str, str] | None:
    """(kind in lower case, name) of the object that the sentence speaks of."""
    found = _NAMED.search(sentence)
    if found is None:
        return None
    if found["quota"]:
        return "resourcequota", found["quota"]
    return (found["kind"] or found["kind2"]).lower(), found["name"] or found["name2"]


def _first(table: Patterns, sentence: str) -> str | None:
    return next((cause for cause, pattern in table if pattern.search(sentence)), None)
