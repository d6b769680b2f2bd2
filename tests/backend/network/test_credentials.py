"""Credentials are found where uv finds them, for pages, for uv, and for builds, which have no home."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.homes import REACHED, Home
from support.local_index import LocalIndex
from support.pages import versions
from support.uv import resolve

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network import credentials
from bisect_asgi.backend.network.configured import binary, configured_indexes
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.errors import Unavailable

PASSWORD = "hunter2/@:%"
IN_URL = "hunter2%2F%40%3A%25"
KEYRING = """\
#!/bin/sh
echo "$@" >> {folder}/keyring.log
[ "$1 $2 $3" = "get {service} me" ] && echo '{password}' && exit 0
[ "$1 $2 $3 $4" = "get {service} --mode creds" ] && echo me && echo '{password}' && exit 0
exit 1
"""


@pytest.fixture
def private(user: Home) -> Iterator[LocalIndex]:
    """An index with one release, which wants a password; the user has not configured any."""
    with LocalIndex(credentials=("me", PASSWORD)) as index:
        index.add_wheel("demo", "1.0", uploaded="2020-01-01")
        user.set(UV_DEFAULT_INDEX=index.url)
        yield index


def in_the_address(user: Home, index: LocalIndex) -> None:
    user.set(UV_DEFAULT_INDEX=index.url.replace("://", f"://me:{IN_URL}@"))


def in_variables_of_a_named_variable(user: Home, index: LocalIndex) -> None:
    user.set(UV_DEFAULT_INDEX=f"Corp-1.x={index.url}")
    user.set(UV_INDEX_CORP_1_X_USERNAME="me", UV_INDEX_CORP_1_X_PASSWORD=PASSWORD)


def in_variables_of_a_named_table(user: Home, index: LocalIndex) -> None:
    user.set(UV_DEFAULT_INDEX="")
    user.configure(f'[[index]]\nname = "corp"\nurl = "{index.url}"\ndefault = true\n')
    user.set(UV_INDEX_CORP_USERNAME="me", UV_INDEX_CORP_PASSWORD=PASSWORD)


def in_the_netrc_of_the_home(user: Home, index: LocalIndex) -> None:
    path = user.home / ".netrc"
    path.write_text(f"machine 127.0.0.1 login me password {PASSWORD}\n")
    path.chmod(0o600)


def in_another_netrc(user: Home, index: LocalIndex) -> None:
    (user.folder / "secrets").write_text(f"machine 127.0.0.1 login me password {PASSWORD}\n")
    user.set(NETRC=user.folder / "secrets")


def in_the_netrc_for_a_named_user(user: Home, index: LocalIndex) -> None:
    in_another_netrc(user, index)
    user.set(UV_DEFAULT_INDEX=index.url.replace("://", "://me@"))


def in_uvs_store(user: Home, index: LocalIndex) -> None:
    login = [binary(), "auth", "login", index.origin, "--username", "me", "--password", PASSWORD]
    subprocess.run(login, check=True, capture_output=True)


def in_the_keyring(user: Home, index: LocalIndex) -> None:
    a_keyring(user, service=index.url)
    user.set(UV_KEYRING_PROVIDER="subprocess", UV_DEFAULT_INDEX=index.url.replace("://", "://me@"))


def in_the_keyring_of_the_host(user: Home, index: LocalIndex) -> None:
    a_keyring(user, service=index.origin.partition("//")[2])
    user.set(UV_DEFAULT_INDEX=index.url.replace("://", "://me@"))
    user.configure('keyring-provider = "subprocess"\n')


def in_the_keyring_without_a_user(user: Home, index: LocalIndex) -> None:
    a_keyring(user, service=index.url)
    user.set(UV_DEFAULT_INDEX="")
    user.configure(
        f'[[index]]\nurl = "{index.url}"\ndefault = true\nauthenticate = "always"\n'
        '[pip]\nkeyring-provider = "subprocess"\n'
    )


def a_keyring(user: Home, *, service: str) -> None:
    """Put a program `keyring` on the path that knows one password."""
    (user.folder / "bin").mkdir()
    program = user.folder / "bin" / "keyring"
    program.write_text(KEYRING.format(folder=user.folder, service=service, password=PASSWORD))
    program.chmod(0o755)
    user.set(PATH=f"{program.parent}:/usr/bin:/bin")


PLACES = [
    in_the_address,
    in_variables_of_a_named_variable,
    in_variables_of_a_named_table,
    in_the_netrc_of_the_home,
    in_another_netrc,
    in_the_netrc_for_a_named_user,
    in_uvs_store,
    in_the_keyring,
    in_the_keyring_of_the_host,
    in_the_keyring_without_a_user,
]
Configure = Callable[[Home, LocalIndex], None]


@pytest.mark.parametrize("configure", PLACES)
def test_an_index_with_a_password_is_read_wherever_that_is(
    private: LocalIndex, user: Home, configure: Configure
) -> None:
    configure(user, private)

    assert user.reach() == REACHED
    assert user.written("hunter2") == []


@pytest.mark.parametrize("configure", PLACES)
def test_they_are_secrets_wherever_they_are_from(
    private: LocalIndex, user: Home, configure: Configure
) -> None:
    configure(user, private)

    assert {PASSWORD, IN_URL} <= set(configured_indexes().secrets)


@pytest.mark.parametrize("configure", [in_the_address, in_another_netrc])
def test_a_page_of_files_with_a_password_is_read(
    private: LocalIndex, user: Home, configure: Configure
) -> None:
    configure(user, private)
    at = f"me:{IN_URL}@" if configure is in_the_address else ""
    with LocalIndex() as empty:
        user.set(UV_DEFAULT_INDEX=empty.url, UV_FIND_LINKS=private.flat_url.replace("://", f"://{at}"))

        assert user.reach() == REACHED


@pytest.mark.parametrize("configure", PLACES)
def test_they_travel_to_a_worker_that_has_no_place_of_its_own(
    private: LocalIndex, user: Home, tmp_path: Path, configure: Configure
) -> None:
    configure(user, private)
    travelled: Indexes = pickle.loads(pickle.dumps(configured_indexes()))
    for path in (user.home / ".netrc", user.folder / "secrets", user.folder / "bin" / "keyring"):
        path.unlink(missing_ok=True)
    user.set(HOME=tmp_path / "elsewhere", NETRC=tmp_path / "none", UV_KEYRING_PROVIDER="disabled")

    with closing(IndexClient(travelled, user.folder / "pages")) as client:
        assert versions(client.releases("demo")) == ["1.0"]
    uv = Uv(user.folder / "state", travelled)
    assert resolve(uv, "demo", builds=False) == resolve(uv, "demo") == ["demo==1.0"]


def test_without_credentials_it_is_said_where_they_were_looked_for(private: LocalIndex, user: Home) -> None:
    user.set(UV_DEFAULT_INDEX=f"corp={private.url}", UV_KEYRING_PROVIDER="subprocess")

    with pytest.raises(Unavailable) as ours:
        user.page()
    with pytest.raises(Unavailable) as uvs:
        resolve(user.uv(), "demo", builds=False)

    where = (
        "there are no credentials for it in the address, `UV_INDEX_CORP_USERNAME`, `UV_INDEX_CORP_PASSWORD`, "
        f"`{user.home}/.netrc`, uv's credentials store and the keyring"
    )
    assert str(ours.value) == (
        f"the package index refused access: `{private.url}/demo/` (401 Unauthorized); {where}"
    )
    assert str(uvs.value) == f"the package index refused access: `{private.url}` (401 Unauthorized); {where}"
    assert ours.value.hint == "add them to one of these, as `uv auth login URL --username USER` does"


def test_wrong_credentials_are_named_by_their_place(private: LocalIndex, user: Home) -> None:
    (user.home / ".netrc").write_text("machine 127.0.0.1 login me password mistyped\n")

    with pytest.raises(Unavailable) as ours:
        user.page()
    with pytest.raises(Unavailable) as uvs:
        resolve(user.uv(), "demo", builds=False)

    place = f"the package index refused the credentials from `{user.home}/.netrc`: "
    assert str(ours.value) == f"{place}`{private.url}/demo/` (401 Unauthorized)"
    assert str(uvs.value) == f"{place}`{private.url}` (401 Unauthorized)"


def test_credentials_that_are_never_to_be_used_are_not(private: LocalIndex, user: Home) -> None:
    in_the_netrc_of_the_home(user, private)
    user.set(UV_DEFAULT_INDEX="")
    user.configure(f'[[index]]\nurl = "{private.url}"\ndefault = true\nauthenticate = "never"\n')

    with pytest.raises(Unavailable):
        user.page()


def test_the_keyring_is_not_asked_without_a_reason(private: LocalIndex, user: Home) -> None:
    a_keyring(user, service=private.url)
    user.set(UV_KEYRING_PROVIDER="subprocess")

    configured_indexes()

    assert not (user.folder / "keyring.log").exists()


@pytest.mark.parametrize(
    "text",
    ["machine", "machine 127.0.0.1", "", "\x00", "machine 127.0.0.1 login other password x"],
)
def test_a_netrc_that_says_nothing_of_the_user_is_none(user: Home, text: str) -> None:
    (user.home / ".netrc").write_text(text)

    found = credentials.find("http://me@127.0.0.1/simple")

    assert found == credentials.Credentials(username="me", password="", place="the address")


@pytest.mark.parametrize(
    "text",
    ["credential = 3", "[[credential]]\nservice = 3\nusername = 1\nscheme = 2\npassword = 3\n", "[[["],
)
def test_a_store_of_another_form_is_none(user: Home, text: str) -> None:
    folder = user.home / ".local" / "share" / "uv" / "credentials"
    folder.mkdir(parents=True)
    (folder / "credentials.toml").write_text(text)

    assert credentials.find("http://127.0.0.1/simple") is None


@pytest.mark.parametrize("url", ["http://[::", "http://me:p@ss/word@host", ""])
def test_what_is_no_address_has_none(user: Home, url: str) -> None:
    found = credentials.find(url)

    assert found is None or found.place == "the address"


def test_a_file_of_another_host_gets_no_credentials(private: LocalIndex, user: Home) -> None:
    in_the_address(user, private)
    with LocalIndex() as elsewhere, closing(user.client()) as client:
        elsewhere.add_wheel("demo", "1.0")
        client._requests._client.get(f"{elsewhere.origin}/simple/demo/")
        client._requests._client.get(f"{private.origin}/simple/demo/")

        assert ["authorization" in request.headers for request in elsewhere.requests] == [False]
    assert ["authorization" in request.headers for request in private.requests] == [True]
