"""Where a token is shared: Variables through Airflow's own client, memory without them, the host's lock."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pytest_mock import MockerFixture

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.hooks.store import HostLock, InMemoryStore, VariableStore
from airflow_provider_telecom.hooks.sunsim import default_token_store
from tests.eventually import HANG_SECONDS
from tests.test_leaks import minted
from tests.visible import everything_visible

KEY = "__telecom_sunsim_token__abcd1234"
TOKEN, REFRESH = "sim_access_0123456789", "sim_refresh_0123456789"
TEXT = json.dumps({"access": TOKEN, "refresh": REFRESH, "expires": 1, "minted": 1})


class Supervisor:
    """The process that runs a task, as the task sees it: it keeps Variables and secrets to be masked."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.masked: list[Any] = []

    def send(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        match message:
            case comms.MaskSecret():
                self.masked.append(message.value)
            case comms.PutVariable():
                self.variables[message.key] = message.value
            case comms.GetVariable():
                found = self.variables.get(message.key)
                if found is not None:
                    return comms.VariableResult(key=message.key, value=found)
                return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={})
            case comms.GetVariableKeys():
                keys = sorted(key for key in self.variables if key.startswith(message.prefix or ""))
                page = keys[message.offset : message.offset + message.limit]
                return comms.VariableKeysResult(keys=page, total_entries=len(keys))
        return None


@pytest.fixture
def supervisor(mocker: MockerFixture) -> Supervisor:
    from airflow.sdk.execution_time import task_runner

    made = Supervisor()
    mocker.patch.object(task_runner, "SUPERVISOR_COMMS", made, create=True)
    return made


@pytest.fixture
def no_write(mocker: MockerFixture) -> MagicMock:
    """Let Airflow refuse to write Variables, as when its API server has no database."""
    from airflow.sdk import Variable
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse

    error = AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))
    return mocker.patch.object(Variable, "set", side_effect=error)


class TestVariables:
    def test_what_one_saves_another_loads(self, supervisor: Supervisor) -> None:
        VariableStore().save(KEY, TEXT)
        assert supervisor.variables == {KEY: TEXT}
        assert VariableStore().load(KEY) == TEXT
        assert VariableStore().load("__telecom_another") is None

    def test_tokens_are_masked_when_they_are_saved(self, supervisor: Supervisor) -> None:
        VariableStore().save(KEY, TEXT)
        assert {TOKEN, REFRESH} <= set(supervisor.masked)
        assert _redacted(f"with {TOKEN}, then {REFRESH}") == "with ***, then ***"

    def test_tokens_are_masked_when_they_are_loaded(self, supervisor: Supervisor) -> None:
        supervisor.variables[KEY] = TEXT.replace("0123456789", "9876543210")
        VariableStore().load(KEY)
        assert _redacted("with sim_access_9876543210") == "with ***"
        assert "sim_refresh_9876543210" in supervisor.masked

    @pytest.mark.usefixtures("supervisor", "no_write")
    def test_if_they_cannot_be_written_the_call_was_not_sent(self) -> None:
        with pytest.raises(TelecomNotSentError, match="cannot be written") as caught:
            VariableStore().save(KEY, TEXT)
        assert TOKEN not in str(caught.value)

    def test_outside_tasks_and_triggers_memory_takes_their_place(self) -> None:
        store = VariableStore()
        assert store.load(KEY) is None
        store.save(KEY, TEXT)
        assert store.load(KEY) == TEXT
        assert VariableStore().load(KEY) is None


class TestSunSim:
    """A hook of SunSim whose token is in a Variable."""

    @pytest.fixture
    def hook(
        self, hook_for: Callable[..., Any], supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "A" * 43 + "=")
        return hook_for("sunsim", lock="host")

    def key(self, hook: Any) -> str:
        found: str = hook.account.auth.key
        return found

    @pytest.mark.usefixtures("no_write")
    def test_if_it_cannot_be_written_no_error_and_no_frame_holds_it(
        self, hook: Any, supervisor: Supervisor, call: Callable[..., Any], telecom_simulator: Any
    ) -> None:
        with pytest.raises(TelecomNotSentError, match="cannot be written") as caught:
            call(hook.create_callback, "79000000277", "79000000000")
        (token,) = minted(telecom_simulator)
        assert token in supervisor.masked
        assert token not in everything_visible(caught.value)
        assert hook._read().credentials.secret.reveal() not in everything_visible(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            "junk",
            '{"access": "\\u0442\\u043e\\u043a\\u0435\\u043d", "expires": 9999999999, "minted": 1}',
            '{"access": "a\\nb", "expires": 9999999999, "minted": 1}',
            '{"access": "\\ud800", "expires": 9999999999, "minted": 1}',
            f'{{"access": "a", "expires": 1{"0" * 400}, "minted": 1}}',
            '{"access": "a", "expires": 9999999999, "minted": 1e999}',
            '{"access": "not-the-live-one", "expires": 9999999999, "minted": 1}',
        ],
    )
    def test_a_corrupt_one_is_replaced(
        self, text: str, hook: Any, supervisor: Supervisor, call: Callable[..., Any], telecom_simulator: Any
    ) -> None:
        supervisor.variables[self.key(hook)] = text
        for _ in range(2):
            call(hook.create_callback, "79000000277", "79000000000")
        (token,) = minted(telecom_simulator)
        assert json.loads(supervisor.variables[self.key(hook)])["access"] == token
        assert len(telecom_simulator.state.ledger.of("sunsim", "token")) == 1
        assert len(telecom_simulator.state.ledger.of("sunsim", "callback")) == 2


class TestKyivstar:
    """A hook of Kyivstar's whose token is shared once tokens exclude each other."""

    @pytest.fixture
    def variables(self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "A" * 43 + "=")
        return supervisor.variables

    def test_independent_tokens_are_not_stored(
        self, variables: dict[str, str], hook_for: Callable[..., Any], telecom_simulator: Any
    ) -> None:
        hook_for("kyivstar_open_telecom").send_sms("380670000001", "Hi")
        assert variables == {}
        assert len(minted(telecom_simulator)) == 1

    def test_a_shared_token_is_in_a_variable_and_masked(
        self, variables: dict[str, str], supervisor: Supervisor, hook_for: Callable[..., Any]
    ) -> None:
        hook = hook_for("kyivstar_open_telecom")
        hook.send_sms("380670000001", "Hi")
        hook.account.auth._share()
        hook.send_sms("380670000002", "Hi")
        key = f"__telecom_kyivstar_token__{hook.account_key}"
        assert set(variables) == {key, f"{key}_lease"}
        assert json.loads(variables[key])["access"] in supervisor.masked

    def test_without_a_fernet_key_none_is_stored(
        self, supervisor: Supervisor, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
        hook = hook_for("kyivstar_open_telecom")
        hook.account.auth._share()
        hook.send_sms("380670000001", "Hi")
        assert supervisor.variables == {}

    def test_variables_that_cannot_be_read_do_not_fail_a_call(
        self, variables: dict[str, str], hook_for: Callable[..., Any], mocker: MockerFixture
    ) -> None:
        mocker.patch.object(VariableStore, "load", side_effect=TelecomNotSentError("not sent"))
        assert hook_for("kyivstar_open_telecom").send_sms("380670000001", "Hi")
        assert variables == {}


def _redacted(text: str) -> Any:
    from airflow.sdk.log import redact

    return redact(text)


class TestWithoutFernetKey:
    @pytest.mark.parametrize("key", ["", "{FERNET_KEY}"])
    def test_the_token_stays_in_memory_and_the_log_says_so(
        self, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key)
        assert type(default_token_store()) is InMemoryStore
        assert "no Fernet key" in caplog.text

    def test_with_a_key_it_goes_into_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "A" * 43 + "=")
        assert type(default_token_store()) is VariableStore

    def test_memory_masks_as_well(self) -> None:
        InMemoryStore().save(KEY, TEXT.replace("0123456789", "5555555555"))
        assert _redacted("with sim_access_5555555555") == "with ***"


def _hold(folder: str, held: Any, let_go: Any) -> None:
    tempfile.tempdir = folder
    with HostLock("abcd1234")(HANG_SECONDS):
        held.set()
        let_go.wait(HANG_SECONDS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class TestHostLock:
    def test_one_process_at_a_time(self, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        held, let_go = spawn.Event(), spawn.Event()
        other = spawn.Process(target=_hold, args=(str(folder), held, let_go))
        other.start()
        try:
            assert held.wait(HANG_SECONDS)
            with pytest.raises(TelecomNotSentError, match="another process"), HostLock("abcd1234")(0.1):
                pass
            with HostLock("another")(0.1):
                pass
        finally:
            let_go.set()
            other.join()
        with HostLock("abcd1234")(HANG_SECONDS):
            assert other.exitcode == 0

    def test_one_thread_at_a_time(self, folder: Path) -> None:
        lock, refused = HostLock("abcd1234"), []

        def try_it() -> None:
            try:
                with lock(0.05):
                    refused.append(False)
            except TelecomNotSentError:
                refused.append(True)

        with lock(1):
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
        try_it()
        assert refused == [True, False]

    def test_it_is_let_go_after_an_error(self, folder: Path) -> None:
        lock = HostLock("abcd1234")
        with pytest.raises(KeyError), lock(1):
            raise KeyError
        with lock(0.1):
            assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o700]

    def test_a_child_forked_meanwhile_does_not_keep_it(self, folder: Path) -> None:
        until, end = os.pipe()
        with HostLock("abcd1234")(1):
            child = os.fork()
            if not child:
                os.close(end)
                os.read(until, 1)  # until the parent has closed its end
                os._exit(0)
        try:
            with HostLock("abcd1234")(0.1):
                pass
        finally:
            os.close(end)
            os.waitpid(child, 0)
            os.close(until)

    def test_a_link_in_the_locks_place_is_not_followed(self, folder: Path) -> None:
        lock = HostLock("abcd1234")
        (made,) = folder.iterdir()
        (made / "abcd1234.lock").symlink_to(folder / "elsewhere")
        with pytest.raises(OSError, match="symbolic links"), lock(0.1):
            pass
        assert not (folder / "elsewhere").exists()

    def test_nobody_else_can_read_the_directory_or_the_lock(self, folder: Path) -> None:
        before = os.umask(0)
        try:
            with HostLock("abcd1234")(1):
                made = [folder / name for name in folder.rglob("*")]
                modes = {path.name: path.stat().st_mode & 0o777 for path in made}
        finally:
            os.umask(before)
        assert modes == {f"airflow-provider-telecom-{os.getuid()}": 0o700, "abcd1234.lock": 0o600}

    def test_it_may_be_let_go_by_another_thread(self, folder: Path) -> None:
        held = HostLock("abcd1234")(1)
        for part in (held.__enter__, lambda: held.__exit__(None, None, None)):
            thread = threading.Thread(target=part)
            thread.start()
            thread.join()
        with HostLock("abcd1234")(0.1):
            pass

    @pytest.mark.parametrize("mode", [0o755, *(0o700 | bit for bit in (0o40, 0o20, 0o10, 0o4, 0o2, 0o1))])
    def test_a_directory_that_others_can_reach_is_refused(self, folder: Path, mode: int) -> None:
        HostLock("abcd1234")
        (made,) = folder.iterdir()
        made.chmod(mode)
        with pytest.raises(TelecomInputError, match="must be a directory of this user alone"):
            HostLock("abcd1234")

    def test_a_link_in_the_directorys_place_is_refused(self, folder: Path, tmp_path: Path) -> None:
        HostLock("abcd1234")
        (made,) = folder.iterdir()
        made.rmdir()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        made.symlink_to(elsewhere)
        with pytest.raises(TelecomInputError, match="this user alone"):
            HostLock("abcd1234")
