"""The fixtures of the integration tests; see harness.py."""

import os

import pytest

from harness import BINARY, SANITIZER, Services, World


def pytest_configure(config):
    config.addinivalue_line("markers", "no_sanitizer: needs a build without sanitizer (TYR_SAN unset)")


def pytest_collection_modifyitems(items):
    if not SANITIZER:
        return
    for item in items:
        if item.get_closest_marker("no_sanitizer"):
            item.add_marker(pytest.mark.skip(reason=f"not with the {SANITIZER} sanitizer"))


@pytest.fixture(scope="session")
def services():
    """A private Kafka, Redis and PostgreSQL for all tests."""
    assert os.access(BINARY, os.X_OK), f"there is no {BINARY}; run make"
    started = Services()
    yield started
    started.close()


@pytest.fixture
def world(services, tmp_path):
    """A database, topics, a group and a Redis database that no other test has."""
    services.heal()
    with services.redis_number() as number:
        made = World(services, tmp_path, number)
        yield made
        made.close()


@pytest.fixture(scope="module")
def module_world(services, tmp_path_factory):
    """The same for all tests of a file together, where they do not get in each other's way."""
    services.heal()
    with services.redis_number() as number:
        made = World(services, tmp_path_factory.mktemp("world"), number)
        yield made
        made.close()
