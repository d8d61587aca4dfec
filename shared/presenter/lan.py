"""The IPv4 addresses at which others on the network reach this machine."""

import socket
import sys
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

DOCUMENTATION_ADDRESS = ("198.51.100.1", 9)
"""Reserved for documentation (RFC 5737): no network has it."""

INTERFACES = Path("/sys/class/net")

COMMON_LAN_NETWORKS = [ip_network("192.168.0.0/16"), ip_network("10.0.0.0/8")]
"""Networks of homes and offices, rather than of containers."""


def lan_address() -> str | None:
    """Return this machine's best address, if it has any."""
    return next(iter(lan_addresses()), None)


def lan_addresses() -> list[str]:
    """Return this machine's addresses, the best first.

    Hardware comes before a VPN, and the interface of the default route
    before others. Virtual interfaces, such as the bridges of containers,
    count only if they have the default route.
    """
    default, interfaces = default_route_ip(), ips_by_interface()
    hardware = (ip for ip, is_hardware in interfaces.items() if is_hardware)
    found = {default, *hardware} - {""}

    def rank(address: str) -> tuple[bool, bool, list[bool], str]:
        ip = ip_address(address)
        uncommon = [ip not in network for network in COMMON_LAN_NETWORKS]
        virtual = not interfaces.get(address, True)
        return virtual, address != default, uncommon, address

    return sorted(
        (each for each in found if not ip_address(each).is_loopback), key=rank
    )


def default_route_ip() -> str:
    """Return the source address of the default route, or "".

    Nothing is sent: connecting a UDP socket only looks up the route.
    """
    with (
        suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        probe.connect(DOCUMENTATION_ADDRESS)
        return str(probe.getsockname()[0])
    return ""


def ips_by_interface() -> dict[str, bool]:
    """Return each interface's address, and whether it is hardware.

    Only Linux tells; elsewhere, every interface counts as hardware.
    """
    found = {}
    with suppress(ImportError, OSError):
        import ifaddr  # make doctor works without it

        for adapter in ifaddr.get_adapters():
            device = INTERFACES / adapter.name / "device"
            is_hardware = sys.platform != "linux" or device.exists()
            for each in adapter.ips:
                if each.is_IPv4:
                    found[str(each.ip)] = is_hardware
    return found
