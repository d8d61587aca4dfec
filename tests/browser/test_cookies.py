"""Origins and reserved ids, as browsers see them."""

import re
import socket
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ..support.browser import NO_SERVER, People
from ..support.server_process import ServerProcess
from .test_join import Address

pytestmark = pytest.mark.stages(4)
"""It is all in shared/; stage 4 runs without the fast transport."""

ONE_ID = "crypto.randomUUID = () => 'the-same'"


def test_connection_id_is_refused_to_another_browser(
    running: ServerProcess, person: People
) -> None:
    """As two tabs of one browser would be, under one id."""
    ada = person(running)
    ada.page.add_init_script(ONE_ID)
    ada.enter()
    ada.sign_in("Ada")
    ada.is_told("Connected")
    (cookie,) = ada.page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["expires"] == -1
    assert ada.page.evaluate("document.cookie") == ""
    eve = person(running)
    eve.page.add_init_script(ONE_ID)
    eve.expect_error(NO_SERVER)
    refused = re.compile("Unexpected response code: 409")
    with eve.page.expect_console_message(
        lambda m: bool(refused.search(m.text))
    ):
        eve.enter()
    expect(eve.sign).to_have_text(re.compile("^(Connecting|Reconnecting)…$"))
    ada.say("still here")
    ada.is_sent("still here")
    ada.is_told("Connected")
    assert len([each for each in ada.sockets if "/chatroom/" in each]) == 1


@pytest.mark.soak
def test_connection_id_is_kept_over_a_restart(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    second = person(running, beside=ada)
    second.enter()
    for each in (ada, second):
        each.is_told("Connected")
        each.expect_error(NO_SERVER)
    running.kill()
    for each in (ada, second):
        each.is_told("Reconnecting…")
    running.start()
    for each in (ada, second):
        each.is_told("Connected again")
    ada.page.reload()
    ada.is_told("Connected")
    ada.say("back again")
    second.sees("back again")
    assert len(ada.page.context.cookies()) == 1


def test_security_policy_is_valid_at_an_ipv6_address(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("This machine has no IPv6.")
    running = serve(HOST="::1")
    ada = person(Address(f"http://[::1]:{running.port}"), "Ada")
    ada.is_told("Connected")
    ada.say("from afar")
    ada.is_sent("from afar")


@pytest.mark.stages(5)
@pytest.mark.parametrize("fast", ["1", "0"])
def test_cookies_of_another_port_are_accepted_or_named(
    serve: Callable[..., ServerProcess], person: People, fast: str
) -> None:
    """Browsers keep one set of cookies for all ports of a host."""
    running = serve(FAST_TRANSPORT=fast)
    ada = person(running)
    ada.expect_error(NO_SERVER)
    ada.expect_error("Failed to load resource: .* 431 .*")

    def set_cookies(count: int, size: int) -> None:
        ada.page.context.add_cookies(
            [
                {"name": f"other{n}", "value": "x" * size, "url": running.url}
                for n in range(count)
            ]
        )

    set_cookies(9, 980)
    ada.enter()
    ada.is_told("Connected")
    running.stop()
    set_cookies(18, 4_000)
    running.start()
    alert = ada.page.get_by_role("alert").filter(has_text="cookies")
    expect(alert).to_contain_text("delete them")
    assert running.errors().count("cookies") == 1
    ada.page.context.clear_cookies(name=re.compile("other"))
    ada.is_told("Connected again")
    expect(alert).to_have_count(0)
