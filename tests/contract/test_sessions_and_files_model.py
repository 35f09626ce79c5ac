"""Random sequences of requests agree with a plain model of sessions and files (K16, K20, K34, K38-K41)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from attack.target import Target
from tests.service import LiveService

NAMES = st.sampled_from(["a.txt", "dir/b.csv", "dir/deep/c", "ü – 1.md", "with space", ".hidden"])
CONTENTS = st.text("ab\n", max_size=6)
EXAMPLES, STEPS = 12, 14


@dataclass
class Session:
    """A session in the model: the current files by path, and every file that was ever made by its id."""

    id: str
    current: dict[str, str] = field(default_factory=dict)
    bytes_of: dict[str, bytes] = field(default_factory=dict)

    def add(self, path: str, file_id: str, data: bytes) -> None:
        self.current[path] = file_id
        self.bytes_of[file_id] = data

    def delete(self, file_id: str) -> None:
        del self.bytes_of[file_id]
        self.current = {path: other for path, other in self.current.items() if other != file_id}


class Files(RuleBasedStateMachine):
    """Upload, run, delete and read, in any order."""

    target: Target
    sessions: Bundle[Session] = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Session] = []

    @rule(target=sessions, name=NAMES, content=CONTENTS)
    def upload(self, name: str, content: str) -> Session:
        uploaded = self.target.upload({name: content.encode()})
        session = Session(uploaded["session_id"])
        session.add(name, uploaded["files"][0]["fileId"], content.encode())
        self.known.append(session)
        return session

    @rule(target=sessions)
    def run_in_a_new_session(self) -> Session:
        session = Session(self.target.exec("bash", "true")["session_id"])
        assert session.id not in [other.id for other in self.known]
        # a session without files is listed too, for as long as it lives
        self.known.append(session)
        return session

    @rule(session=sessions, files=st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=3))
    def upload_into(self, session: Session, files: dict[str, str]) -> None:
        sent = {name: content.encode() for name, content in files.items()}
        uploaded = self.target.upload(sent, session_id=session.id)
        assert uploaded["session_id"] == session.id
        for item in uploaded["files"]:
            session.add(item["filename"], item["fileId"], sent[item["filename"]])

    @rule(session=sessions, name=NAMES, content=CONTENTS)
    def write_in_a_run(self, session: Session, name: str, content: str) -> None:
        code = 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"'
        answer = self.target.exec("bash", code, args=[name, content], session_id=session.id)
        assert (answer["session_id"], answer["stderr"]) == (session.id, "")
        (made,) = answer["files"]
        assert made["name"] == name
        session.add(name, made["id"], content.encode())

    @rule(session=sessions, name=NAMES)
    def remove_in_a_run(self, session: Session, name: str) -> None:
        answer = self.target.exec("bash", 'rm -f "$1"', args=[name], session_id=session.id)
        assert (answer["stderr"], answer["files"]) == ("", [])
        assert answer.get("deleted_files", []) == ([name] if name in session.current else [])
        session.current.pop(name, None)  # hidden: who has its id still reads it

    @rule(session=sessions)
    def look_in_a_run(self, session: Session) -> None:
        code = "import os\nfor d, _, names in os.walk('.'):\n    for n in names:\n        p = os.path.join(d, n)\n"
        code += "        print(repr((p[2:], open(p, newline='').read())))"
        answer = self.target.exec("py", code, session_id=session.id)
        wanted = {repr((path, session.bytes_of[file_id].decode())) for path, file_id in session.current.items()}
        assert set(answer["stdout"].splitlines()) == wanted, answer["stderr"]

    @rule(session=sessions, data=st.data())
    def delete(self, session: Session, data: st.DataObject) -> None:
        if not session.bytes_of:
            return
        file_id = data.draw(st.sampled_from(sorted(session.bytes_of)))
        path = f"/files/{session.id}/{file_id}"
        assert [self.target.call("DELETE", path).status for _ in range(2)] == [200, 404]
        session.delete(file_id)
        assert self.target.call("GET", f"/download/{session.id}/{file_id}").status == 404

    @rule()
    def ids_of_other_sessions_lead_nowhere(self) -> None:
        for one in self.known:
            for other in self.known:
                if one.id != other.id:
                    for file_id in list(other.bytes_of)[:2]:
                        assert self.target.call("GET", f"/download/{one.id}/{file_id}").status == 404

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        for session in self.known[-3:]:
            listed = self.target.call("GET", f"/files/{session.id}")
            assert listed.status == 200
            assert {item["filename"]: item["fileId"] for item in listed.json()} == session.current
            for file_id, data in session.bytes_of.items():
                assert self.target.download(session.id, file_id) == data


def test_files_and_sessions_are_as_a_plain_model_says(live_service: LiveService) -> None:
    """K16, K20, K38-K41: whatever the order of uploads, runs, removals and deletions."""
    Files.target = Target(f"http://{live_service.host}", live_service.api_key)
    run_state_machine_as_test(
        Files,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
