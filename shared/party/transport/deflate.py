"""What is agreed with a client about compression: RFC 7692."""

from collections.abc import Sequence

from websockets.exceptions import NegotiationError
from websockets.extensions.base import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.typing import ExtensionName, ExtensionParameter

NO_LIMITS: dict[str, set[str | None]] = {
    "client_no_context_takeover": {None},
    "client_max_window_bits": {None, *(str(bits) for bits in range(8, 16))},
}
"""What an offer may ask for, and the values of each."""


class Inflated(PerMessageDeflate):
    """Reads what is compressed, and compresses nothing by itself."""

    def encode(self, frame: Frame) -> Frame:
        """Leave a frame as it is: this one may not go to everybody."""
        return frame


class Agreement(ServerExtensionFactory):
    """Takes an offer of permessage-deflate, if it limits no window of ours.

    A client keeps no window of its own over its messages. They are short, and
    each such window would take more memory than the rest of a connection.
    """

    name = ExtensionName("permessage-deflate")

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], Extension]:
        """Answer an offer; its parameters have to be known, and no limits."""
        named = dict(params)
        for name, value in params:
            known = name in NO_LIMITS and value in NO_LIMITS[name]
            if not known or len(named) < len(params):
                raise NegotiationError(f"{name} is not for a shared window")
        answer: list[ExtensionParameter] = [
            ("client_no_context_takeover", None)
        ]
        return answer, Inflated(True, True, 15, 15)


AGREEMENT = Agreement()
