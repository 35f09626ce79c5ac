"""The neighbour: a session with secrets, a program that runs beside every attack, and short runs that are timed."""

from __future__ import annotations

import statistics
import threading
import time

from attack.target import Target

_RATIO = 3.0
FLOOR_SECONDS = 0.15
"""Latencies below this are no complaint: a busy machine has such moments without any attack."""

_TRIES = 12
PAUSE_SECONDS = 0.25
_STAYS_SECONDS = 4
_RESIDENT = """
import os, socket, sys, time
secret = open("secret.txt").read()
os.environ["SECRET"] = secret
places = [f"{directory}/neighbour" for directory in ("/mnt/data", "/tmp", "/dev/shm")]
for place in places:
    with open(place, "w") as file:
        file.write(secret)
listening = [socket.create_server(("127.0.0.1", 4711)), socket.socket(socket.AF_UNIX)]
listening[1].bind("\\0neighbour")
listening[1].listen()
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    time.sleep(0.05)
for server in listening:
    server.setblocking(False)
    try:
        server.accept()
        print("a stranger called")
    except BlockingIOError:
        pass
if all(open(place).read() == secret for place in places):
    print("INTACT")
"""


class Neighbour:
    """A user whose programs and files exist beside the attacks."""

    def __init__(self, target: Target, secret: str) -> None:
        self._target = target
        self._secret = secret
        self._ends = threading.Event()
        self._living = threading.Thread(target=self._live, daemon=True)
        self.harm: list[str] = []
        self.session_id = ""
        self.file_id = ""
        self._timed_session = ""
        self.usual_seconds = 0.0

    def move_in(self) -> None:
        """Upload the secret, start the resident, and measure the usual latency. Raises ``OSError``."""
        uploaded = self._target.upload({"secret.txt": self._secret.encode()})
        self.session_id, self.file_id = uploaded["session_id"], uploaded["files"][0]["fileId"]
        self._timed_session = self._target.exec("py", "print(4)")["session_id"]
        self._living.start()
        self.usual_seconds = statistics.median(self.latency() for _ in range(9))

    def _live(self) -> None:
        program = _RESIDENT.replace("SECONDS", str(_STAYS_SECONDS))
        while not self._ends.is_set():
            try:
                answer = self._target.exec("py", program, session_id=self.session_id)
            except OSError as error:
                self.harm.append(f"the neighbour's program got no answer: {error}")
                return
            if answer["stdout"] != "INTACT\n":
                self.harm.append(f"the neighbour's program was disturbed: {answer['stdout']!r} {answer['stderr']!r}")

    def latency(self) -> float:
        """Run a short program; return the seconds it took, end to end. Raises ``OSError``."""
        started = time.monotonic()
        answer = self._target.exec("py", "print(2 + 2)", session_id=self._timed_session)
        took = time.monotonic() - started
        if answer["stdout"] != "4\n":
            raise OSError(f"2 + 2 was {answer['stdout']!r} {answer['stderr']!r}")
        return took

    @property
    def bearable_seconds(self) -> float:
        """The latency that counts as undisturbed: three times the usual one."""
        return max(FLOOR_SECONDS, _RATIO * self.usual_seconds)

    def complaint(self) -> str | None:
        """List what is wrong after an attack. The best of several tries counts: one pause of the machine is ignored."""
        if self.harm:
            return self.harm.pop(0)
        took: list[float] = []
        try:
            for _ in range(_TRIES):
                took.append(self.latency())
                if took[-1] <= self.bearable_seconds:
                    return None
                time.sleep(PAUSE_SECONDS)
        except OSError as error:
            return f"the service does not answer: {error}"
        return f"the neighbour's runs take {min(took):.2f} s and more, before {self.usual_seconds:.3f} s"

    def has_its_file(self) -> bool:
        """Whether the uploaded secret is still there, unchanged."""
        return self._target.download(self.session_id, self.file_id) == self._secret.encode()

    def move_out(self) -> None:
        """Let the resident come to its end."""
        self._ends.set()
        self._living.join(_STAYS_SECONDS + 30)
