"""The guard of a scoring server: what it reads and refuses, whom it lets wait, what it says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mlp.serving import bodies, guard
from mlp.serving.bodies import SMALL, Message, Receive
from mlp.serving.guard import Guard, Send
from mlp.serving.request import MOST_BYTES, Question, Refused

JSON = "application/json"
GOOD = json.dumps({"inputs": {"image": ["zzz!"]}}).encode()
ROW = {"label": "red", "error": ""}


class Classes:
    """A model that answers each image alike, once `ready` is set."""

    image_size = 8

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.asked, self.ready = failure, 0, threading.Event()
        self.ready.set()

    def records(self, question: Question) -> list[dict[str, Any]]:
        self.asked += 1
        assert self.ready.wait(10)
        if self.failure:
            raise self.failure
        return [ROW] * len(question.files)


@pytest.fixture(autouse=True)
def _short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_DRAIN", 0.05)


async def mlflow(scope: Message, receive: Receive, send: Send) -> None:
    """MLflow's application, for the paths that it answers."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"mlflow"})


class Client:
    """One request: what it sends, as it likes, and what it got."""

    def __init__(
        self,
        *parts: bytes,
        whole: bool = True,
        method: str = "POST",
        path: str = "/invocations",
        **headers: str,
    ) -> None:
        named = {"content_type": JSON, **headers}
        self.scope: Message = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [
                (k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in named.items() if v
            ],
        }
        self.parts = [
            {"type": "http.request", "body": part, "more_body": not whole or k < len(parts) - 1}
            for k, part in enumerate(parts or (b"",))
        ]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.parts:
            await asyncio.sleep(60)
        return self.parts.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def ask(self, own: Guard) -> tuple[int, Any]:
        await own(self.scope, self.receive, self.send)
        body = b"".join(message.get("body", b"") for message in self.sent[1:])
        if b'"message"' in body:
            assert set(json.loads(body)) == {"error_code", "message"}
        return self.sent[0]["status"], (json.loads(body) if body[:1] == b"{" else body)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def serve(
    session: Callable[[Guard], Coroutine[Any, Any, None]], model: Classes | None = None
) -> None:
    async def main() -> None:
        await session(Guard(mlflow, model or Classes()))

    asyncio.run(main())


def ask(*parts: bytes, model: Classes | None = None, **more: Any) -> tuple[int, Any]:
    async def main() -> tuple[int, Any]:
        return await Client(*parts, **more).ask(Guard(mlflow, model or Classes()))

    return asyncio.run(main())


def test_a_question_in_parts_is_answered_with_a_row_an_image() -> None:
    assert ask(GOOD[:9], GOOD[9:]) == (200, {"predictions": [ROW]})
    csv = b"image\nx\ny\n"
    assert ask(csv, content_type="text/CSV; charset=UTF-8")[1] == {"predictions": [ROW, ROW]}


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_mlflow_answers_its_own_paths(path: str) -> None:
    assert ask(path=path, method="GET") == (200, b"mlflow")


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "//invocations",
     "/invocations/", "/INVOCATIONS", "/ping/", "/metrics", "/../ping"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_other_path(path: str, method: str) -> None:
    status, said = ask(GOOD, path=path, method=method)
    assert status == 404 and said["message"] == "there is nothing here; ask /invocations"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_post_asks(method: str) -> None:
    async def session(own: Guard) -> None:
        client = Client(GOOD, method=method)
        assert (await client.ask(own))[0] == 405 and client.headers[b"allow"] == b"POST"

    serve(session)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": ""},
        {"content_type": "text/plain"},
        {"content_type": "image/jpeg"},
        {"content_type": "application/jsonx"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "\xff" * 9},
        {"content_encoding": "gzip"},
    ],
)
def test_other_content_is_not_read(headers: dict[str, str]) -> None:
    model = Classes()
    status, said = ask(GOOD, model=model, **headers)
    assert status == 415 and model.asked == 0
    assert (
        "content type should" in said["message"] or "UTF-8" in str(said) or "encoding" in str(said)
    )


def test_a_body_that_is_declared_too_large_is_not_read() -> None:
    async def session(own: Guard) -> None:
        for length in (str(MOST_BYTES + 1), "9" * 5000):
            client = Client(b"1", b"2", content_length=length)
            status, said = await client.ask(own)
            assert status == 413 and str(MOST_BYTES) in said["message"]
            # the answer goes out first, and what the client still sends is taken and dropped
            assert client.sent[1]["more_body"] and not client.parts
            assert client.headers[b"connection"] == b"close"

    serve(session)


def test_a_body_that_is_too_large_is_given_up_at_once() -> None:
    part = bytes(MOST_BYTES // 4)
    assert ask(part, part, part, part, b"1")[0] == 413
    assert ask(part, part, part, part)[0] == 400  # zeros are no JSON


def test_a_slow_body_is_timed_out_and_a_steady_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SECONDS", 0.3)
    monkeypatch.setattr(bodies, "_PART", 10)

    class Slow(Client):
        async def receive(self) -> Message:
            await asyncio.sleep(0.1)
            return await super().receive()

    async def session(own: Guard) -> None:
        stalled = Client(GOOD[:9], whole=False)
        status, said = await stalled.ask(own)
        assert (status, said["message"]) == (408, "the body came too slowly")
        drip = Slow(*[GOOD[k : k + 1] for k in range(len(GOOD))])
        assert (await drip.ask(own))[0] == 408 and drip.parts
        steady = Slow(*[GOOD[k : k + 10] for k in range(0, len(GOOD), 10)])
        assert (await steady.ask(own))[0] == 200

    serve(session)


def test_a_client_that_goes_away_is_let_go() -> None:
    async def session(own: Guard) -> None:
        client = Client(GOOD[:9], whole=False)
        client.parts += [{"type": "http.disconnect"}] * 2
        await asyncio.wait_for(client.ask(own), 5)
        assert (await Client(GOOD).ask(own))[0] == 200

    serve(session)


def test_the_oldest_unfinished_bodies_make_room_for_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_MOST_HELD", {True: 1000, False: 2 * SMALL})

    async def session(own: Guard) -> None:
        hostile = [Client(bytes(400), whole=False) for _ in range(3)]
        tasks = [asyncio.create_task(client.ask(own)) for client in hostile]
        large = asyncio.create_task(Client(bytes(2 * SMALL), whole=False).ask(own))
        # the third of 400 bytes has taken the place of the first
        status, said = await asyncio.wait_for(tasks[0], 5)
        assert (status, said["message"]) == (429, "the server is busy; try again")
        assert hostile[0].headers[b"retry-after"] == b"1"
        for _ in range(5):
            padded = GOOD + b" " * 300
            assert (await Client(padded[:20], padded[20:]).ask(own))[0] == 200
        assert (await asyncio.wait_for(tasks[1], 5))[0] == 429
        assert not tasks[2].done() and not large.done()
        for task in (tasks[2], large):
            task.cancel()
        await asyncio.gather(tasks[2], large, return_exceptions=True)

    serve(session)


def test_large_requests_take_no_place_of_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is answered, two wait; more are told to come back, and a small one is answered."""
    monkeypatch.setattr(guard, "_WAIT", 0.5)
    padded = GOOD + b" " * SMALL
    model = Classes()
    model.ready.clear()

    async def session(own: Guard) -> None:
        first = [asyncio.create_task(Client(padded).ask(own)) for _ in range(3)]
        while not model.asked:
            await asyncio.sleep(0.01)
        client = Client(padded)
        assert (await client.ask(own))[0] == 429 and client.headers[b"retry-after"] == b"1"
        # those that wait are told so after a while
        assert [(await task)[0] for task in first[1:]] == [429, 429]
        assert model.asked == 1
        small = asyncio.create_task(Client(GOOD).ask(own))
        while model.asked < 2:
            await asyncio.sleep(0.01)
        model.ready.set()
        assert (await small)[0] == (await first[0])[0] == 200
        assert (await Client(padded).ask(own))[0] == 200

    serve(session, model)


def test_a_small_body_of_much_work_waits_with_the_large_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_SMALL_WORK", 0)
    monkeypatch.setattr(guard, "_WAIT", 0.2)
    model = Classes()
    model.ready.clear()

    async def session(own: Guard) -> None:
        first = asyncio.create_task(Client(GOOD).ask(own))
        while not model.asked:
            await asyncio.sleep(0.01)
        assert (await Client(GOOD).ask(own))[0] == 429
        model.ready.set()
        assert (await first)[0] == 200

    serve(session, model)


def test_the_models_refusal_is_the_answer_and_its_failure_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, said = ask(GOOD, model=Classes(Refused(400, "none of the rows")))
    assert (status, said["message"]) == (400, "none of the rows")
    status, said = ask(GOOD, model=Classes(RuntimeError("secret /home/x")))
    assert status == 500 and said["message"] == "the server could not answer; its log says why"
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    "body",
    [b"SECRET", b'{"SECRET": 1}', b'{"inputs": {"image": ["SECRET"], "image": 1}}', b"\xffSECRET",
     b'{"inputs": {"image": ["x"]}, "params": {"SECRET": 1}}', b'"SECRET"'],
)  # fmt: skip
def test_no_answer_repeats_what_was_sent(body: bytes) -> None:
    status, said = ask(body)
    assert 400 <= status < 500 and "SECRET" not in said["message"] and said["message"]


def test_other_connections_are_passed_on() -> None:
    got: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        got.append(scope["type"])

    async def main() -> None:
        client = Client()
        await Guard(app, Classes())({"type": "lifespan"}, client.receive, client.send)

    asyncio.run(main())
    assert got == ["lifespan"]
