"""One conversation in the LibreChats of both generations, turn by turn at the same time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.conversations.deployments import Deployment
from tests.conversations.librechat import Chat, Turn
from tests.conversations.programs import Program

Message = Program | Sequence[Program] | Callable[[Chat], Program]
T = TypeVar("T")


class Conversation:
    """The same conversation in each LibreChat of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        name = secrets.token_hex(6)
        self.chats = [Chat(librechat, name) for librechat in deployment.librechats]
        self._threads = ThreadPoolExecutor(len(self.chats))

    def attach(self, filename: str, content: str) -> None:
        """Attach a file to the next message."""
        self._in_all(lambda chat: chat.attach(filename, content.encode()))

    def play_turn(self, *messages: Message, **options: Any) -> list[Turn]:
        """Play a turn in all chats at once; a message may be a function of the chat."""
        return self._in_all(
            lambda chat: chat.play_turn(
                *[message(chat) if callable(message) else message for message in messages], **options
            )
        )

    def _in_all(self, act: Callable[[Chat], T]) -> list[T]:
        return list(self._threads.map(act, self.chats))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
