"""Models that reply in the browser tests, and stages that use them."""

from collections.abc import Callable, Iterator

import pytest

from ..support.server_process import ServerProcess
from ..support.stubs import OpenAIStub


@pytest.fixture
def model() -> Iterator[OpenAIStub]:
    """A model whose replies the test steers."""
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def ai_server(
    serve: Callable[..., ServerProcess], model: OpenAIStub
) -> ServerProcess:
    """The stage, with that model."""
    return serve(
        AI="openai",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="sk-test",
        OPENAI_MODEL="stub-1",
    )
