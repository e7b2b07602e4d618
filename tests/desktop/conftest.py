"""Fixtures: one display for all tests, one desk for each."""

import pytest
from desk import Desk, Display


@pytest.fixture(scope="session")
def display():
    display = Display()
    yield display
    display.end()


@pytest.fixture
def desk(display):
    desk = Desk(display)
    yield desk
    desk.end()
