"""Ports of the lab's servers."""

from __future__ import annotations

import socket

import pytest

from isthmus.lab import system
from isthmus.lab.system import free_port, kept_port


def test_a_server_gets_its_port_back_which_no_outgoing_connection_could_take() -> None:
    port = free_port()
    assert 1024 < port < 32_768
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert kept_port(port) == port


def test_another_port_is_given_when_a_program_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "GIVEN_BACK", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert kept_port(other.getsockname()[1]) != other.getsockname()[1]
