"""Detection of the provider, by the settings and by asking Ollama."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared.ai.provider import detect_provider, has_model
from shared.settings import ROOT, Settings

from ...support.server_process import PATIENCE, environment
from ...support.stubs import OllamaStub

DEMO_REPLIES = "shared/ai/replay/demo_replies.jsonl"

Change = Callable[..., Settings]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *(({"ai": ai}, ai) for ai in ("openai", "ollama", "local", "none")),
        *(
            ({"ai": ai, "openai_api_key": "k", "ollama_host": "there"}, ai)
            for ai in ("openai", "ollama", "local", "none")
        ),
        ({"openai_api_key": "sk-test"}, "openai"),
        ({"openai_base_url": "http://127.0.0.1:9/v1"}, "openai"),
        ({"openai_api_key": "k", "ollama_host": "there"}, "openai"),
        ({"ollama_host": "http://127.0.0.1:9"}, "ollama"),
        ({}, "local"),
    ],
)
def test_detect_provider_follows_the_settings(
    setting: Change,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setattr("shared.ai.provider.has_model", lambda name: False)
    assert detect_provider(setting(**given)) == expected


def test_detect_provider_finds_a_running_ollama(
    setting: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OllamaStub() as ollama:
        monkeypatch.setattr(
            "shared.ai.provider.has_model",
            lambda name: has_model(name, ollama.url),
        )
        assert detect_provider(setting()) == "ollama"
        assert detect_provider(setting(ollama_model="mistral")) == "ollama"
        assert detect_provider(setting(ollama_model="not-pulled")) == "local"
        assert ollama.exchanges == []


def test_has_model_knows_pulled_models() -> None:
    with OllamaStub() as ollama:
        ollama.models = ["llama3.2:latest", "mistral:7b"]
        assert has_model("llama3.2", ollama.url)
        assert has_model("llama3.2:latest", ollama.url)
        assert has_model("mistral:7b", ollama.url)
        assert not has_model("mistral", ollama.url)
        assert not has_model("llama3", ollama.url)
        ollama.models = []
        assert not has_model("llama3.2", ollama.url)
        ollama.fault = "500"
        assert not has_model("llama3.2", ollama.url)
    assert not has_model("llama3.2", ollama.url)


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Somebody who answers whatever is asked with those bytes, once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65_536)
                caller.sendall(reply)
                if not reply:
                    caller.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"",
        *(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
            for body in (
                b"",
                b"<p>A web page",
                b"[]",
                b"null",
                b"{}",
                b'{"models": null}',
                b'{"models": [null]}',
                b'{"models": [{}]}',
                b'{"models": [{"name": {}}]}',
                b'{"models": "llama3.2"}',
            )
        ),
    ],
)
def test_has_model_ignores_other_answers(reply: bytes) -> None:
    with answering(reply) as url:
        assert not has_model("llama3.2", url)


def test_has_model_uses_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OllamaStub() as ollama, OllamaStub() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        ollama.models = []
        assert not has_model("llama3.2", ollama.url)
        assert len(ollama.paths) == 1
        assert proxy.paths == []


@pytest.mark.parametrize(
    ("settings", "expected", "error"),
    [
        ({"AI": "none"}, "none\n", ""),
        ({"AI": "", "OPENAI_API_KEY": "sk-test"}, "openai\n", ""),
        ({"AI": f"replay:{DEMO_REPLIES}"}, "replay\n", ""),
        ({"AI": f"replay:{DEMO_REPLIES},local"}, "replay,local\n", ""),
        ({"AI": "gpt"}, "", "These settings do not work:\n  AI=gpt: "),
    ],
)
def test_provider_command_prints_the_provider(
    settings: dict[str, str], expected: str, error: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tools.provider"],
        cwd=ROOT.parent,
        env=environment({**settings, "PYTHONPATH": str(ROOT)}),
        capture_output=True,
        encoding="utf-8",
    )
    assert ended.stdout == expected
    assert ended.stderr.startswith(error)
    assert bool(ended.stderr) == bool(error)
    assert "Traceback" not in ended.stderr
