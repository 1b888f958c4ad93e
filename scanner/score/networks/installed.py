"""Networks of other packages."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from premir.scanner.score.networks.network import Network

GROUP = "premir.networks"
"""Group of entry points: a network's name leads to its class."""

_log = logging.getLogger(__name__)


def installed_networks() -> dict[str, type[Network]]:
    """Return the networks that installed packages have, by name.

    One that cannot be used is left out with a warning: a model that needs it is then refused, as
    there is no such network.
    """
    found: dict[str, type[Network]] = {}
    for entry in entry_points(group=GROUP):
        try:
            network = entry.load()
        except Exception as error:  # code of others
            _log.warning("network %s (%s) cannot be loaded: %r", entry.name, entry.value, error)
            continue
        if not (isinstance(network, type) and issubclass(network, Network)):
            _log.warning("network %s (%s) is no subclass of Network", entry.name, entry.value)
            continue
        found[entry.name] = network
    return found
