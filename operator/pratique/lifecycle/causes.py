"""The table of causes: what can keep a rollout from going on, most specific first; and its reference page.

Each row says whether the cause is definite, what it means and what to look at next. Not here: how a cause
is found in what pods and Events say (``diagnosis``, ``told``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Stage = Literal["Made", "Scheduled", "Started", "Ready"]
"""How far a pod has come that shows that an obstacle is behind it."""
Family = Literal["Image", "Config", "Volume", "Crash", "Refused", "Scheduling", "Node", "Readiness"]
"""Causes that are told for one and the same obstacle, as its words change."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One row."""

    name: str
    family: Family
    past: Stage
    means: str
    next: str
    """What to look at next; of {namespace}, {pod}, {container}, {node}, {kind}, {object}, {workload} what it needs."""
    definite: bool = True
    """Whether waiting alone is not expected to help: it ends the release once it stood for failFast.after."""
    runtime: bool = False
    """Whether it speaks of the running version, not of room or rights to start it."""
    seen_in: str = "the pod's status"
    """Where it is found, for the reference."""


_PLACE = re.compile(r"\{([a-z]+)\}")
_DESCRIBE = "kubectl describe pod {pod} -n {namespace}"
_PREVIOUS = "kubectl logs {pod} -c {container} --previous -n {namespace}"
_PULL = "the pod's status, or its Event Failed"
_MOUNT = "Events FailedMount, FailedAttachVolume"
_MAKER = "condition ReplicaFailure, or Event FailedCreate of what makes the pods"
_SCHEDULER = "the scheduler's message in condition PodScheduled"

CAUSES: tuple[Cause, ...] = (
    Cause(
        "ImageNameInvalid", "Image", "Started",
        "the image's name cannot be one",
        "correct the image of container {container} in the pod template",
    ),
    Cause(
        "ImageUnauthorized", "Image", "Started",
        "the registry refuses the pull: no or wrong credentials, or no such repository for them",
        "imagePullSecrets of the pod or its service account: kubectl get pod {pod} -n {namespace} "
        "-o jsonpath='{{.spec.imagePullSecrets}}'",
        seen_in=_PULL,
    ),
    Cause(
        "ImagePlatformMismatch", "Image", "Started",
        "the image is not built for the node's architecture or operating system",
        "build it for that platform, or choose nodes by kubernetes.io/arch: kubectl get node "
        "{node} -L kubernetes.io/arch,kubernetes.io/os",
        seen_in=f"{_PULL}; or a crash with exec format error",
    ),
    Cause(
        "ImageMissing", "Image", "Started",
        "the registry has no such image, tag or digest; or the node lacks it and may not pull",
        "push it, or correct name and tag of container {container}",
        seen_in=_PULL,
    ),
    Cause(
        "ImageRefused", "Image", "Started",
        "the node's policy does not accept the image's signature",
        "sign the image, or look at the node's signature policy",
    ),
    Cause(
        "ImagePullFailed", "Image", "Started",
        "the image cannot be pulled, for a reason that has no row of its own",
        _DESCRIBE,
        seen_in=_PULL,
    ),
    Cause(
        "ImagePullRateLimit", "Image", "Started",
        "the registry's limit of pulls is used up",
        "pull with credentials or through a mirror, or wait until the limit is renewed",
        definite=False,
        seen_in=_PULL,
    ),
    Cause(
        "ImageRegistryUnavailable", "Image", "Started",
        "the registry does not answer, or not as it should: name, network, certificate, 5xx",
        "the registry's health, and the way to it from node {node}",
        definite=False,
        seen_in=_PULL,
    ),
    Cause(
        "ConfigMissing", "Config", "Started",
        "a ConfigMap, a Secret or a key that a container needs is not there",
        "kubectl get {kind} {object} -n {namespace}",
        seen_in="the pod's status, or Event FailedMount",
    ),
    Cause(
        "SecurityContextRefused", "Config", "Started",
        "the image's user does not fit what the security context demands",
        "set runAsUser, or build the image with a numeric user that is not root",
    ),
    Cause(
        "ServiceAccountMissing", "Refused", "Made",
        "the pods' service account is not there",
        "kubectl get serviceaccount {object} -n {namespace}",
        seen_in=f"{_MAKER}; or Event FailedMount",
    ),
    Cause(
        "ClaimMissing", "Volume", "Scheduled",
        "a PersistentVolumeClaim is not there, or its volume is gone",
        "kubectl get persistentvolumeclaim {object} -n {namespace}",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "VolumeUnbound", "Volume", "Scheduled",
        "a PersistentVolumeClaim is not bound, or no node can reach its volume",
        "kubectl describe persistentvolumeclaim {object} -n {namespace}; kubectl get storageclass",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "ContainerCannotStart", "Config", "Started",
        "the container cannot be made or started: its command, its mounts, a hook",
        _DESCRIBE,
    ),
    Cause(
        "OOMKilled", "Crash", "Ready",
        "a container keeps crashing for want of memory",
        "raise the memory limit of container {container}, or let it use less",
        runtime=True,
    ),
    Cause(
        "InitContainerFailed", "Crash", "Ready",
        "an init container keeps failing, so that the others never begin",
        _PREVIOUS,
        runtime=True,
    ),
    Cause(
        "LivenessProbeFailing", "Crash", "Ready",
        "a container is restarted over and over as its liveness probe fails",
        f"livenessProbe of container {{container}}, and {_PREVIOUS}",
        runtime=True,
        seen_in="restarts beside Event Unhealthy",
    ),
    Cause(
        "CrashLoop", "Crash", "Ready",
        "a container keeps ending: exit code, signal and termination message are told",
        _PREVIOUS,
        runtime=True,
    ),
    Cause(
        "QuotaExceeded", "Refused", "Made",
        "pods cannot be made: a ResourceQuota is used up, or wants requests and limits to be set",
        "kubectl describe resourcequota {object} -n {namespace}",
        seen_in=_MAKER,
    ),
    Cause(
        "LimitRangeViolated", "Refused", "Made",
        "pods cannot be made: requests or limits lie outside a LimitRange",
        "kubectl describe limitrange -n {namespace}",
        seen_in=_MAKER,
    ),
    Cause(
        "AdmissionRejected", "Refused", "Made",
        "pods cannot be made: a webhook, a policy or Pod Security refuses them",
        "change the pod template as the message says, or ask who owns that policy",
        seen_in=_MAKER,
    ),
    Cause(
        "AdmissionUnavailable", "Refused", "Made",
        "pods cannot be made: an admission webhook does not answer",
        "the webhook's own pods, and kubectl get validatingwebhookconfigurations,"
        "mutatingwebhookconfigurations",
        definite=False,
        seen_in=_MAKER,
    ),
    Cause(
        "InsufficientCpu", "Scheduling", "Scheduled",
        "no node has enough cpu left for the pod's requests",
        "kubectl describe nodes (Allocated resources); lower requests, or add nodes",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "InsufficientMemory", "Scheduling", "Scheduled",
        "no node has enough memory left for the pod's requests",
        "kubectl describe nodes (Allocated resources); lower requests, or add nodes",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "InsufficientResource", "Scheduling", "Scheduled",
        "no node has enough left of another resource: pods, ephemeral storage, devices",
        "kubectl describe nodes (Allocated resources); lower requests, or add nodes",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "PortsTaken", "Scheduling", "Scheduled",
        "the host ports that the pod wants are taken on every node",
        "hostPort and hostNetwork in the pod template; an old pod may hold the port",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "AffinityNotMet", "Scheduling", "Scheduled",
        "no node meets node selector, affinity, anti-affinity or topology spread",
        "nodeSelector, affinity and topologySpreadConstraints beside kubectl get nodes --show-labels",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "TaintNotTolerated", "Scheduling", "Scheduled",
        "the nodes that would do have taints that the pod does not tolerate",
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints",
        seen_in=_SCHEDULER,
    ),
    Cause(
        "Unschedulable", "Scheduling", "Scheduled",
        "no node takes the pod, for a reason that has no row of its own",
        _DESCRIBE,
        seen_in=_SCHEDULER,
    ),
    Cause(
        "PodsRefused", "Refused", "Made",
        "pods cannot be made, for a reason that has no row of its own",
        "kubectl describe {workload} -n {namespace}",
        seen_in=_MAKER,
    ),
    Cause(
        "SchedulingGated", "Scheduling", "Scheduled",
        "a scheduling gate keeps the scheduler from the pod",
        "who sets it: kubectl get pod {pod} -n {namespace} -o jsonpath='{{.spec.schedulingGates}}'",
        definite=False,
        seen_in="condition PodScheduled",
    ),
    Cause(
        "VolumeInUse", "Volume", "Started",
        "a volume is attached to another node, often by a pod of the old version",
        "strategy Recreate, or a volume that several nodes can mount; which pods hold it",
        definite=False,
        seen_in="Event FailedAttachVolume",
    ),
    Cause(
        "VolumeNotMounted", "Volume", "Started",
        "a volume cannot be attached or mounted",
        f"{_DESCRIBE}; the storage driver's pods on node {{node}}",
        definite=False,
        seen_in=_MOUNT,
    ),
    Cause(
        "SandboxFailed", "Node", "Started",
        "the node cannot set the pod up: mostly its network",
        "the network plugin's pods on node {node}",
        definite=False,
        seen_in="Events FailedCreatePodSandBox, NetworkNotReady",
    ),
    Cause(
        "NodeLost", "Node", "Ready",
        "the node of a pod does not answer any more",
        "kubectl describe node {node}",
        definite=False,
        seen_in="Event NodeNotReady, or the pod's status",
    ),
    Cause(
        "PodEvicted", "Node", "Ready",
        "a node ended the pod to save itself: memory, disk, processes",
        "kubectl describe node {node}; requests of the pod beside what it uses",
        definite=False,
    ),
    Cause(
        "NodeRefusedPod", "Node", "Ready",
        "the node did not admit a pod that the scheduler gave it",
        "kubectl describe node {node}",
        definite=False,
    ),
    Cause(
        "StartupProbeFailing", "Readiness", "Ready",
        "a container's startup probe fails; definite once the container was restarted for it twice",
        "startupProbe of container {container}, and kubectl logs {pod} -c {container} -n {namespace}",
        definite=False,
        runtime=True,
        seen_in="Event Unhealthy",
    ),
    Cause(
        "ReadinessProbeFailing", "Readiness", "Ready",
        "a container runs and its readiness probe fails",
        "what the probe asks for: kubectl logs {pod} -c {container} -n {namespace}",
        definite=False,
        seen_in="Event Unhealthy",
    ),
    Cause(
        "ReadinessGateOpen", "Readiness", "Ready",
        "the containers are ready, and a readiness gate of the pod is not",
        "the controller that sets that condition, such as a load balancer's: " + _DESCRIBE,
        definite=False,
        seen_in="condition Ready",
    ),
    Cause(
        "InitContainerRunning", "Readiness", "Ready",
        "an init container has been running for more than a minute: it may wait for something",
        "kubectl logs {pod} -c {container} -n {namespace}",
        definite=False,
    ),
    Cause(
        "NeverReady", "Readiness", "Ready",
        "a container has been running for more than a minute and is not ready; no Event says why",
        "kubectl logs {pod} -c {container} -n {namespace}",
        definite=False,
    ),
    Cause(
        "ProgressDeadlineExceeded", "Readiness", "Ready",
        "Kubernetes gave the rollout up, and nothing more specific is seen",
        "kubectl get pods -n {namespace}: those that are not ready",
        seen_in="condition Progressing",
    ),
)  # fmt: skip
"""All of them. Where several are seen, the first definite one is told, else the first."""

BY_NAME = {cause.name: cause for cause in CAUSES}
ORDER = {cause.name: place for place, cause in enumerate(CAUSES)}


def page(header: str) -> str:
    """The table as the reference shows it."""
    lines = [
        header,
        "# Causes of a failed rollout",
        "",
        "Most specific first. A *definite* cause ends the release once it stood for `failFast.after`; one that is",
        "not waits for the rollout's deadline, or Kubernetes' own, and is named in the final message. How a cause is",
        "found and told: [Why did the rollout fail](../diagnosis.md).",
        "",
        "| Cause | Definite | Means | Seen in | Look at |",
        "| --- | --- | --- | --- | --- |",
    ]
    for c in CAUSES:
        shown = c.next.replace("{{", "{").replace("}}", "}")
        shown = _PLACE.sub(lambda found: found[1].upper(), shown)
        cells = (f"`{c.name}`", "yes" if c.definite else "no", c.means, c.seen_in, shown)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
