"""The machine's own addresses, as others on its network know them (IPv4)."""

import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

DOCUMENTATION_ADDRESS = ("198.51.100.1", 9)
"""An address of documentation's, which is on nobody's network."""

INTERFACES = Path("/sys/class/net")
SIOCGIFADDR = 0x8915

COMMON_LAN_NETWORKS = [ip_network("192.168.0.0/16"), ip_network("10.0.0.0/8")]
"""Networks of rooms, rather than of containers."""


def lan_address() -> str | None:
    """Where others on the network find this machine, if anywhere."""
    return next(iter(lan_addresses()), None)


def lan_addresses() -> list[str]:
    """Where others on the network may find this machine, the best first.

    A real card comes before a VPN, and the way out before other cards. Of
    what is no card, such as the bridges of containers, only the way out is
    considered.
    """
    way, cards = default_route_ip(), by_card()
    found = {way, *(each for each, real in cards.items() if real)} - {""}

    def rank(address: str) -> tuple[bool, bool, list[bool], str]:
        ip = ip_address(address)
        unusual = [ip not in network for network in COMMON_LAN_NETWORKS]
        return not cards.get(address, True), address != way, unusual, address

    return sorted(
        (each for each in found if not ip_address(each).is_loopback), key=rank
    )


def default_route_ip() -> str:
    """The address from which this machine speaks to others, or "".

    Nothing is sent: to connect a UDP socket is only to look up the route.
    """
    with (
        suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        probe.connect(DOCUMENTATION_ADDRESS)
        return str(probe.getsockname()[0])
    return ""


def by_card() -> dict[str, bool]:
    """Each network card's address, and whether the card is a real one."""
    if sys.platform != "linux":
        return by_name()
    import fcntl  # there is none on Windows

    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            wanted = struct.pack("256s", name.encode())
            with suppress(OSError):  # it has no address
                told = fcntl.ioctl(probe, SIOCGIFADDR, wanted)
                address = socket.inet_ntoa(told[20:24])
                found[address] = (INTERFACES / name / "device").exists()
    return found


def by_name() -> dict[str, bool]:
    """The addresses that this machine's name has: its cards, elsewhere."""
    with suppress(OSError, UnicodeError):
        name = socket.gethostname()
        return dict.fromkeys(socket.gethostbyname_ex(name)[2], True)
    return {}
