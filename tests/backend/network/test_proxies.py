"""Proxies of the shell and of uv's configuration carry pages, and what uv gets."""

from __future__ import annotations

import pytest
from support.certificates import Certificates
from support.homes import REACHED, Home
from support.local_index import LocalIndex
from support.proxies import LocalProxy, LocalSocks
from support.uv import resolve

from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.network.proxies import Proxies
from bisect_asgi.core.errors import Unavailable


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("credentials", [None, ("me", "hunter2/@")], ids=["open", "with-a-password"])
def test_a_proxy_of_the_shell_carries_everything(
    demo: LocalIndex, user: Home, variable: str, credentials: tuple[str, str] | None
) -> None:
    with LocalProxy(credentials=credentials) as proxy:
        user.set(**{variable: proxy.address})

        assert user.reach() == REACHED
        assert len(proxy.asked) == len(demo.requests)

    assert user.written("hunter2") == []


def test_a_proxy_in_uvs_configuration_is_the_only_one_then(demo: LocalIndex, user: Home) -> None:
    with LocalProxy(credentials=("me", "hunter2")) as proxy, LocalProxy() as shells:
        user.set(HTTP_PROXY=shells.address)
        user.configure(f'http-proxy = "{proxy.address}"\n')

        assert user.reach() == REACHED
        assert len(proxy.asked) == len(demo.requests)
        assert shells.asked == []


def test_an_https_index_is_reached_through_a_tunnel(
    secure: LocalIndex, user: Home, certificates: Certificates
) -> None:
    with LocalProxy(credentials=("me", "hunter2")) as proxy:
        user.set(HTTPS_PROXY=proxy.address, SSL_CERT_FILE=certificates.authority)

        assert user.reach() == REACHED
        assert set(proxy.asked) == {secure.url.partition("//")[2].partition("/")[0]}


def test_a_socks_proxy_carries_everything(demo: LocalIndex, user: Home) -> None:
    with LocalSocks(credentials=("me", "hunter2/@")) as proxy:
        user.set(ALL_PROXY=proxy.address)

        assert user.reach() == REACHED
        assert set(proxy.asked) == {demo.origin.partition("//")[2]}


@pytest.mark.parametrize("past", ["127.0.0.1", "127.0.0.0/8", "example.org, 127.0.0.1"])
def test_what_goes_past_a_proxy_does(demo: LocalIndex, user: Home, past: str) -> None:
    with LocalProxy() as proxy:
        user.set(HTTP_PROXY=proxy.address, NO_PROXY=past)

        assert user.reach() == REACHED
        assert proxy.asked == []


def test_what_goes_past_a_proxy_may_stand_in_uvs_configuration(demo: LocalIndex, user: Home) -> None:
    with LocalProxy() as proxy:
        user.configure(f'http-proxy = "{proxy.address}"\nno-proxy = ["127.0.0.1"]\n')

        assert user.reach() == REACHED
        assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_other_credentials_is_asked_once_and_has_a_hint(
    user: Home, certificates: Certificates, scheme: str
) -> None:
    user.set(SSL_CERT_FILE=certificates.authority)
    tls = certificates.server() if scheme == "https" else None
    with LocalIndex(tls=tls) as index, LocalProxy(credentials=("me", "hunter2")) as proxy:
        user.set(UV_DEFAULT_INDEX=index.url, ALL_PROXY=f"http://me:mistyped@{proxy.host}")

        with pytest.raises(Unavailable) as ours:
            user.page()
        asked = len(proxy.asked)
        with pytest.raises(Unavailable) as uvs:
            resolve(user.uv(), "demo", builds=False)

    for caught in (ours, uvs):
        said = f"the proxy wants credentials, or other ones: `http://{proxy.host}` ("
        assert str(caught.value).startswith(said)
        assert "mistyped" not in str(caught.value)
        assert caught.value.hint == (
            "write them into its address, as in `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`"
        )
    assert asked == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(user: Home, scheme: str) -> None:
    with LocalProxy() as proxy:
        gone = proxy.host
    user.set(UV_DEFAULT_INDEX=f"{scheme}://index.example/simple", ALL_PROXY=f"http://me:hunter2@{gone}")

    with pytest.raises(Unavailable) as ours:
        user.page()
    with pytest.raises(Unavailable) as uvs:
        resolve(user.uv(), "demo", builds=False)

    for caught in (ours, uvs):
        assert str(caught.value).startswith(f"the proxy cannot be reached: `http://{gone}` (")
        assert "hunter2" not in str(caught.value)
        assert caught.value.hint == (
            "check `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, or name the index's host in `NO_PROXY`"
        )


def test_a_build_has_the_proxy_without_its_password(user: Home, demo: LocalIndex) -> None:
    user.set(HTTP_PROXY="http://me:hunter2@proxy.example:3128")

    environ = user.uv()._workshop._environ(
        {"HTTP_PROXY": "http://me:hunter2@proxy.example:3128"}, user.here, user.here
    )

    assert environ["HTTP_PROXY"] == "http://proxy.example:3128"


# --- Which requests go through which


ONE = {"HTTP_PROXY": "one.example:3128"}


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        pytest.param({}, "http://a.example/", "", id="none"),
        pytest.param(ONE, "http://a.example/", "http://one.example:3128", id="without-a-scheme"),
        pytest.param(ONE, "https://a.example/", "", id="of-http-alone"),
        pytest.param({"HTTPS_PROXY": "http://two"}, "https://a.example/", "http://two", id="of-https"),
        pytest.param({"ALL_PROXY": "socks5://s:1"}, "https://a.example/", "socks5://s:1", id="socks"),
        pytest.param({**ONE, "ALL_PROXY": "http://all"}, "https://a/", "http://all", id="of-the-rest"),
        pytest.param({"HTTP_PROXY": "htp://[::"}, "http://a.example/", "", id="no-address"),
        pytest.param({**ONE, "NO_PROXY": "*"}, "http://a.example/", "", id="past-all-names"),
        pytest.param({**ONE, "NO_PROXY": "b.example, .example"}, "http://a.example/", "", id="past-a-domain"),
        pytest.param(
            {**ONE, "NO_PROXY": "example"}, "http://an-example/", "http://one.example:3128", id="no-domain"
        ),
        pytest.param({**ONE, "NO_PROXY": "10.0.0.0/8"}, "http://10.1.2.3/", "", id="past-a-network"),
        pytest.param({**ONE, "NO_PROXY": "::1"}, "http://[::1]:80/", "", id="past-an-address"),
        pytest.param({**ONE, "NO_PROXY": "*"}, "http://10.1.2.3/", "http://one.example:3128", id="no-name"),
        pytest.param(ONE, "file:///srv", "", id="a-file"),
    ],
)
def test_a_request_goes_through_the_proxy_of_its_scheme(
    user: Home, variables: dict[str, str], url: str, proxy: str
) -> None:
    user.set(**variables)

    assert Network.of_this_machine().proxies.address(url) == proxy


def test_the_passwords_of_proxies_are_secrets() -> None:
    proxies = Proxies(http="http://me:hunter2@one", https="http://two")

    assert proxies.secrets == ("hunter2",)
