"""Tasks and promotion on a real control plane: each kind of task, kills in the middle, approval, stages."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support import documents
from support.documents import (
    FAIL,
    Document,
    condition,
    deployment,
    get,
    items,
    says,
    verdict,
    wait,
)
from support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
FAST = {"warmUp": "1s", "window": "4s", "interval": "1s"}
TOKEN = "s3cr3t-t0k3n"
REL = "releases.pratique.sh"


def policy(namespace: str, name: str, **more: Any) -> Document:
    """Judged by Kubernetes' own signals, and not watched afterwards."""
    return documents.policy(namespace, name, watch={"for": "0s"}, **more)


@dataclass
class Server:
    """Takes requests of tasks, and speaks as much of GitHub's API as they need."""

    url: str = ""
    seen: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By path, each request's headers and body."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path.startswith("/repos/"):
            return self._github(method, path, body)
        before = self.seen.setdefault(path, [])
        before.append({"headers": headers, "body": body.decode()})
        if path.startswith("/twice-busy") and len(before) <= 2:
            return 503, None
        if path.startswith("/refuses"):
            return 404, None
        if path.startswith("/moves"):
            return 302, None
        if path.startswith("/hangs") and len(before) == 1:
            self.held.wait(60)
        return 200, {"secret": "what is answered is not kept"}

    def _github(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.seen.setdefault(f"{method} {path.partition('?')[0]}", []).append({})
        if method == "POST":
            payload = json.loads(body)["client_payload"]
            title = f"deploy {payload['image']} {payload['pratique_id']}"
            self.runs.append({
                "id": len(self.runs) + 1, "display_title": title, "status": "in_progress",
                "html_url": f"https://github.example/runs/{len(self.runs) + 1}", "asked": 0,
            })  # fmt: skip
            return 204, None
        if path.partition("?")[0].endswith("/runs"):
            return 200, {"workflow_runs": self.runs}
        run = self.runs[int(path.rpartition("/")[2]) - 1]
        run["asked"] += 1
        if run["asked"] >= 2:
            run.update(status="completed", conclusion="success")
        return 200, run

    def keys(self, path: str) -> list[str]:
        return [r["headers"]["idempotency-key"] for r in self.seen.get(path, [])]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            status, said = made.take(self.command, self.path, headers, body)
            raw = json.dumps(said).encode() if said is not None else b""
            try:
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            except OSError:
                pass  # who asked was killed

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - as http.server wants them

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    made.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield made
    made.held.set()
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    bed.apply(ROOT / "deploy" / "tasks-rbac.yaml")
    bed.apply(ROOT / "deploy" / "approval-admission.yaml")
    with OperatorProcess(bed) as process:
        yield process


Play = Callable[[Testbed, Server, str], None]
SCENARIOS: dict[str, Play] = {}


def scenario(play: Play) -> Play:
    SCENARIOS[play.__name__] = play
    return play


@pytest.fixture(scope="module")
def played(
    bed: Testbed, operator: OperatorProcess, server: Server
) -> Iterator[dict[str, Future[None]]]:
    """Each takes its time in real seconds, so all run side by side, in namespaces of their own."""
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {name: pool.submit(_play, bed, server, play) for name, play in SCENARIOS.items()}


def _play(bed: Testbed, server: Server, play: Play) -> None:
    name = new_namespace(bed)
    play(bed, server, name)
    bed.kubectl("delete", "namespace", name, "--wait=false")


def new_namespace(bed: Testbed) -> str:
    name = f"tasks-{uuid.uuid4().hex[:6]}"
    bed.kubectl("create", "namespace", name)
    bed.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=10s")
    return name


def job(name: str, at: str = "Before", *, fail: str | None = None, **more: Any) -> Document:
    annotations = {FAIL: fail} if fail else {}
    container = {"name": "check", "image": "registry.example/check:1"}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    return {"name": name, "at": at, "job": {"template": template}, **more}


def http(name: str, url: str, at: str = "Before", **more: Any) -> Document:
    return {"name": name, "at": at, "http": {"url": url, "json": {"release": "$release"}}, **more}


def task(release: Document, name: str) -> Document:
    found = release.get("status", {}).get("tasks", [])
    return next((t for t in found if t["name"] == name), {})


def jobs(bed: Testbed, namespace: str) -> list[Document]:
    return items(bed, "jobs", namespace)


@scenario
def each_kind(bed: Testbed, server: Server, ns: str) -> None:
    """A Job, requests before, during and after, and a workflow as the promotion."""
    bed.kubectl("create", "secret", "generic", "hook", "-n", ns, f"--from-literal=token={TOKEN}")
    bed.kubectl("create", "role", "reader", "-n", ns, "--verb=get", "--resource=secrets")
    bed.kubectl("create", "rolebinding", "reader", "-n", ns, "--role=reader",
                "--serviceaccount=pratique-system:pratique")  # fmt: skip
    path = f"/twice-busy/{ns}"
    secret = {"name": "hook"}
    announced = {
        "name": "announce", "at": "Before", "needs": ["smoke"],
        "retries": {"backoff": "500ms", "limit": 5},
        "http": {
            "url": f"{server.url}{path}", "json": {"release": "$release", "by": "$key"},
            "headers": [{"name": "Authorization", "secretRef": secret, "prefix": "Bearer "}],
        },
    }  # fmt: skip
    template = {
        "apiVersion": "pratique.sh/v1alpha1", "kind": "TaskTemplate",
        "metadata": {"name": "tell", "namespace": ns},
        "spec": {
            "parameters": [{"name": "channel"}],
            "http": {"url": f"{server.url}/tell/{ns}", "json": {"to": "$channel", "v": "$verdict"}},
        },
    }  # fmt: skip
    tell = {"name": "tell", "at": "After", "ref": "tell", "args": {"channel": "#$workload"}}
    deploy = {
        "name": "deploy", "at": "Promotion",
        "github": {
            "repository": "shop/deploy", "eventType": "deploy", "token": secret,
            "inputs": {"image": "$image"}, "baseUrl": server.url,
        },
    }  # fmt: skip
    tasks = [
        announced,
        job("smoke"),
        http("load", f"{server.url}/load/{ns}", "During"),
        tell,
        deploy,
    ]
    bed.apply(template, policy(ns, "web", analysis=FAST, tasks=tasks), deployment(ns, "web"))
    found = verdict(bed, ns, "web-1", timeout=120)
    assert says(found) == ("Promotable", "AllObjectivesMet")
    states = {t["name"]: t["state"] for t in found["status"]["tasks"]}
    assert states == dict.fromkeys(["smoke", "announce", "load", "tell", "deploy"], "Succeeded")
    assert condition(found, "Promoted")["status"] == "True"
    assert condition(found, "TasksSucceeded")["status"] == "True"

    keys = server.keys(path)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert task(found, "announce")["attempts"] == 3
    asked = server.seen[path][0]
    assert json.loads(asked["body"]) == {"release": "web-1", "by": keys[0]}
    assert asked["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert asked["headers"]["traceparent"].startswith("00-")
    assert TOKEN not in json.dumps(found)
    assert json.loads(server.seen[f"/tell/{ns}"][0]["body"]) == {"to": "#web", "v": "Promotable"}
    assert task(found, "deploy")["url"].startswith("https://github.example/runs/")

    (made,) = jobs(bed, ns)
    assert made["spec"]["ttlSecondsAfterFinished"] == 86_400
    assert made["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    pod = made["spec"]["template"]
    environment = {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}
    assert environment["PRATIQUE_RELEASE"] == "web-1"
    assert environment["TRACEPARENT"] == asked["headers"]["traceparent"]
    assert json.loads(pod["metadata"]["annotations"]["pratique.sh/context"])["workload"] == "web"
    smoke, said = task(found, "smoke"), task(found, "announce")
    assert smoke["completedAt"] <= said["startedAt"]
    assert len(json.dumps(found["status"])) <= 8192


@scenario
def failing(bed: Testbed, server: Server, ns: str) -> None:
    """A failed task fails the release by its name; one that is ignored, or comes after, does not."""
    bed.apply(policy(ns, "exits", analysis=FAST, tasks=[job("smoke", fail="Exit1")]),
              deployment(ns, "exits"))  # fmt: skip
    ignored = http("ignored", f"{server.url}/refuses/{ns}", onFailure="Ignore")
    after = http("after", f"{server.url}/moves/{ns}", "After")
    bed.apply(policy(ns, "tells", analysis=FAST, tasks=[ignored, after]), deployment(ns, "tells"))
    bed.apply(policy(ns, "pulls", analysis=FAST, tasks=[job("smoke", fail="ImagePullBackOff")]),
              deployment(ns, "pulls"))  # fmt: skip
    wrong = job("smoke")
    wrong["job"]["template"]["spec"]["restartPolicy"] = "Always"
    bed.apply(policy(ns, "wrong", analysis=FAST, tasks=[wrong]), deployment(ns, "wrong"))

    found = verdict(bed, ns, "exits-1", timeout=120)
    assert says(found) == ("NotPromotable", "TaskFailed")
    assert task(found, "smoke")["reason"] == "BackoffLimitExceeded"
    assert "ended with 1" in condition(found, "Promotable")["message"]
    found = verdict(bed, ns, "tells-1", timeout=120)
    assert says(found) == ("Promotable", "AllObjectivesMet")
    assert condition(found, "TasksSucceeded")["reason"] == "TaskFailed"
    assert "redirects are not followed" in task(found, "after")["message"]
    assert f"/elsewhere/{ns}" not in server.seen
    assert len(server.seen[f"/refuses/{ns}"]) == 1
    events = [e["reason"] for e in items(bed, "events.events.k8s.io", ns)]
    assert "TaskFailed" in events
    found = verdict(bed, ns, "wrong-1", timeout=120)
    assert says(found) == ("NotPromotable", "TaskFailed")
    assert "spec.template.spec.restartPolicy" in condition(found, "Promotable")["message"]
    found = verdict(bed, ns, "pulls-1", timeout=120)
    assert says(found) == ("NotPromotable", "TaskFailed")
    assert task(found, "smoke")["reason"].startswith("Image")
    for name in ("exits", "pulls"):
        mine = [j for j in jobs(bed, ns) if j["metadata"]["name"].startswith(name)]
        ended = [j for j in mine if "ttlSecondsAfterFinished" in j["spec"]]
        assert ended == mine  # one that never ran is deleted


@scenario
def superseded(bed: Testbed, server: Server, ns: str) -> None:
    """What is under way for a release that is replaced is ended, and its Job goes."""
    bed.apply(policy(ns, "web", analysis=FAST, tasks=[job("long", fail="Lasts")]),
              deployment(ns, "web"))  # fmt: skip
    wait(bed, REL, ns, "web-1", lambda r: task(r, "long").get("state") == "Running")
    bed.apply(deployment(ns, "web", image="registry.example/app:2"))
    found = verdict(bed, ns, "web-1", timeout=90)
    assert says(found) == ("Inconclusive", "Superseded")
    assert task(found, "long")["state"] == "Cancelled"
    eventually(lambda: [j for j in jobs(bed, ns) if j["metadata"]["name"].startswith("web-1-")] == [],
               within=30, what="the Job goes")  # fmt: skip


def approve(bed: Testbed, ns: str, release: str, *more: str, **said: str) -> Any:
    text = json.dumps(said)
    return bed.kubectl("annotate", "--overwrite", REL, release, "-n", ns,
                       f"pratique.sh/approval={text}", *more, check=False)  # fmt: skip


@scenario
def approved(bed: Testbed, server: Server, ns: str) -> None:
    """Soaked, inside a window, and approved in one's own name by one of those who may."""
    always = [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "from": "00:00",
               "to": "24:00", "timeZone": "Europe/Berlin"}]  # fmt: skip
    terms = {"approval": "Required", "approvers": {"users": ["admin"]}, "soak": "8s",
             "windows": always}  # fmt: skip
    tasks = [http("deploy", f"{server.url}/deploy/{ns}", "Promotion")]
    bed.apply(policy(ns, "web", analysis=FAST, tasks=tasks, promotion=terms), deployment(ns, "web"))
    found = wait(bed, REL, ns, "web-1",
                 lambda r: condition(r, "Promoted").get("reason") == "AwaitingApproval", timeout=90)  # fmt: skip
    assert found["status"]["phase"] == "Promoting"
    assert found["status"]["verdict"] == "Promotable"
    assert "kubectl annotate rel web-1" in condition(found, "Promoted")["message"]

    refused = approve(
        bed, ns, "web-1", **{"by": "somebody", "for": "Promotion", "decision": "Approve"}
    )
    assert "an approval is given in one's own name" in refused.stderr
    bed.kubectl("create", "rolebinding", "bob", "-n", ns, "--clusterrole=admin", "--user=bob")
    bed.kubectl("create", "role", "bob", "-n", ns, "--verb=get,patch", f"--resource={REL}")
    bed.kubectl("create", "rolebinding", "bobs", "-n", ns, "--role=bob", "--user=bob")

    def by_bob() -> bool:
        said = {"by": "bob", "for": "Promotion", "decision": "Approve"}
        tried = approve(bed, ns, "web-1", "--as=bob", **said)
        assert tried.returncode != 0
        return "bob is none of the approvers" in tried.stderr

    eventually(by_bob, within=20, what="the authorizer knows bob")
    hidden = '{"by":"admin","for":"Promotion","decision":"Approve","by":"bob"}'
    tried = bed.kubectl(
        "annotate", REL, "web-1", "-n", ns, f"pratique.sh/approval={hidden}", check=False
    )
    assert "write pratique.sh/approval as" in tried.stderr
    assert f"/deploy/{ns}" not in server.seen
    done = approve(bed, ns, "web-1", **{"by": "admin", "for": "Promotion", "decision": "Approve"})
    assert done.returncode == 0, done.stderr
    found = verdict(bed, ns, "web-1")
    assert condition(found, "Promoted")["status"] == "True"
    assert found["status"]["promotion"]["approvedBy"] == "admin"
    began = found["status"]["promotion"]["beganAt"]
    assert began > found["status"]["completedAt"]
    assert len(server.seen[f"/deploy/{ns}"]) == 1

    bed.apply(deployment(ns, "web", image="registry.example/app:2"))
    wait(bed, REL, ns, "web-2", lambda r: "status" in r)
    done = approve(
        bed,
        ns,
        "web-2",
        **{"by": "admin", "for": "Promotion", "decision": "Reject", "reason": "no"},
    )
    assert done.returncode == 0, done.stderr
    found = verdict(bed, ns, "web-2")
    assert says(found) == ("Promotable", "AllObjectivesMet")
    assert condition(found, "Promoted")["reason"] == "ApprovalRejected"
    assert len(server.seen[f"/deploy/{ns}"]) == 1


@scenario
def stages(bed: Testbed, server: Server, ns: str) -> None:
    """Staging hands its image on to production, which grants it, and each names the other."""
    production = new_namespace(bed)
    example = (ROOT / "deploy" / "examples" / "promotion.yaml").read_text()
    mended = example.replace("namespace: production", f"namespace: {production}")
    bed.kubectl("apply", "-f", "-", input=mended)
    target = deployment(production, "web")
    bed.apply(policy(production, "web", analysis=FAST), target)
    bed.apply(deployment(production, "closed"))
    patch = {"namespace": production, "name": "web", "image": {"container": "app"},
             "labels": {"stage-version": "$version"}}  # fmt: skip
    closed = {**patch, "name": "closed"}
    verdict(bed, production, "web-1", timeout=90)
    bed.kubectl("annotate", "deployment/web", "-n", production,
                f"pratique.sh/accepts-promotion-from=elsewhere,{ns}/web")  # fmt: skip
    staged = deployment(ns, "web", image="registry.example/app:2")
    tasks = [{"name": "production", "at": "Promotion", "patch": patch}]
    bed.apply(policy(ns, "web", analysis=FAST, tasks=tasks), staged)
    tasks = [{"name": "production", "at": "Promotion", "patch": closed}]
    bed.apply(policy(ns, "other", analysis=FAST, tasks=tasks), deployment(ns, "other"))
    found = verdict(bed, ns, "web-1", timeout=90)
    assert condition(found, "Promoted")["status"] == "True", condition(found, "Promoted")
    assert found["status"]["promotion"]["promotedTo"] == [f"{production}/Deployment/web"]
    after = get(bed, "deployment", production, "web") or {}
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/app:2"
    assert after["metadata"]["labels"]["stage-version"] == "2"
    came = verdict(bed, production, "web-2", timeout=90)
    assert came["spec"]["promotedFrom"] == f"{ns}/web-1"
    assert says(came) == ("Promotable", "AllObjectivesMet")
    bed.apply(deployment(production, "web", image="registry.example/app:3"))
    own = wait(bed, REL, production, "web-3", lambda r: "status" in r)
    assert "promotedFrom" not in own["spec"]

    other = verdict(bed, ns, "other-1", timeout=90)
    assert says(other) == ("Promotable", "AllObjectivesMet")
    assert condition(other, "Promoted")["reason"] == "PromotionFailed"
    assert "does not grant it" in condition(other, "Promoted")["message"]
    bed.kubectl("delete", "namespace", production, "--wait=false")


@scenario
def owned(bed: Testbed, server: Server, ns: str) -> None:
    """A load test owns the window: it begins when the Job's pod runs, and ends with it."""
    load = job("load", "During", fail="Lasts", ownsWindow=True)
    bed.apply(policy(ns, "web", analysis=FAST, tasks=[load]), deployment(ns, "web"))

    def long_enough(release: Document) -> bool:
        return len(release.get("status", {}).get("looks", [])) >= 9

    found = wait(bed, REL, ns, "web-1", long_enough, timeout=90)
    assert found["status"]["phase"] == "Evaluating"  # its own window would be over
    assert "the window ends with its task" in condition(found, "Promotable")["message"]
    [pod] = items(bed, "pods", ns, "-l=pratique.sh/task=load")
    bed.kubectl("annotate", "pod", pod["metadata"]["name"], "-n", ns, f"{FAIL}-")
    found = verdict(bed, ns, "web-1")
    assert says(found) == ("Promotable", "AllObjectivesMet")
    window, entry = found["status"]["judgement"]["window"], task(found, "load")
    begin, running, end, over = (
        datetime.fromisoformat(x)
        for x in (window["from"], entry["runningSince"], window["to"], entry["completedAt"])
    )
    assert running <= begin < end <= over
    assert end - begin > timedelta(seconds=4)


@pytest.mark.parametrize(
    "name", ["each_kind", "failing", "superseded", "approved", "stages", "owned"]
)
def test_scenario(played: dict[str, Future[None]], name: str) -> None:
    played[name].result(timeout=380)


def test_every_scenario_is_looked_at() -> None:
    expected = ["approved", "each_kind", "failing", "owned", "stages", "superseded"]
    assert sorted(SCENARIOS) == expected


def test_a_kill_does_nothing_twice(
    bed: Testbed, played: dict[str, Future[None]], operator: OperatorProcess, server: Server
) -> None:
    """SIGKILL while a Job runs and while two requests are awaited: one is asked for, one is sent again."""
    for future in played.values():
        future.exception(timeout=380)
    ns = new_namespace(bed)
    long = job("long", fail="Lasts")
    ask = http("ask", f"{server.url}/hangs/ask/{ns}", onFailure="Fail")
    again = http("again", f"{server.url}/hangs/again/{ns}", onUnknownOutcome="Retry")
    for one in (ask, again):
        one["http"]["timeout"] = "60s"
        one["retries"] = {"backoff": "500ms"}
    bed.apply(policy(ns, "web", analysis=FAST, tasks=[long, ask, again]), deployment(ns, "web"))
    wait(bed, REL, ns, "web-1", lambda r: task(r, "long").get("state") == "Running")
    paths = [f"/hangs/{n}/{ns}" for n in ("ask", "again")]
    eventually(lambda: all(p in server.seen for p in paths), within=20, what="both are called")
    operator.kill()
    operator.start()
    found = wait(bed, REL, ns, "web-1",
                 lambda r: task(r, "ask").get("state") == "UnknownOutcome"
                 and task(r, "again").get("state") == "Succeeded")  # fmt: skip
    assert condition(found, "Promotable")["reason"] == "UnknownOutcome"
    assert "pratique.sh/outcome-ask=done" in condition(found, "Promotable")["message"]
    assert task(found, "long")["state"] == "Running"
    operator.kill()
    (made,) = jobs(bed, ns)
    pods = [
        p["metadata"]["name"]
        for p in items(bed, "pods", ns, f"-l=job-name={made['metadata']['name']}")
    ]
    bed.kubectl("annotate", "pod", *pods, "-n", ns, f"{FAIL}-")
    bed.kubectl("annotate", REL, "web-1", "-n", ns, "pratique.sh/outcome-ask=done")
    time.sleep(1)  # the Job ends while nobody looks
    operator.start()
    found = verdict(bed, ns, "web-1", timeout=90)
    assert says(found) == ("Promotable", "AllObjectivesMet")
    assert [j["metadata"]["uid"] for j in jobs(bed, ns)] == [made["metadata"]["uid"]]
    assert len(server.seen[paths[0]]) == 1
    assert len(server.seen[paths[1]]) == 2
    assert len(set(server.keys(paths[1]))) == 1
    assert TOKEN not in operator.log.read_text()
