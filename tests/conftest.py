"""The one test bed of a test session, and a fresh namespace for each test that wants one."""

from __future__ import annotations

import contextlib
import itertools
import os
import uuid
from collections.abc import Iterator

import pytest

from pratique_testbed import binaries
from pratique_testbed.bed import Testbed
from pratique_testbed.errors import MissingPart
from pratique_testbed.operator import install

_numbers = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the test bed's programs before the tests: the first time it takes longer than a test
    may, and a person wants to see how far it is.
    """
    wanted = any(item.get_closest_marker("integration") for item in session.items)
    if not wanted or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), contextlib.suppress(MissingPart):  # told by `bed`
        binaries.programs(binaries.CONTROLPLANE)
        binaries.programs(binaries.PROMETHEUS)
        binaries.kwok_stages()


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    """A started test bed with CRDs and RBAC installed, shared by all tests of the session."""
    bed = Testbed()
    try:
        bed.start()
    except MissingPart as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    install(bed)
    yield bed
    try:
        bed.check()
    finally:
        bed.stop()


@pytest.fixture
def namespace(bed: Testbed) -> Iterator[str]:
    """The name of a new namespace; it is gone some seconds after the test."""
    name = f"test-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
    bed.kubectl("create", "namespace", name)
    bed.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=10s")
    yield name
    bed.check()  # a component that crashed is told by the test it crashed in
    bed.kubectl("delete", "namespace", name, "--wait=false")
