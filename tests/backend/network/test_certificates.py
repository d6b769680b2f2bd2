"""Certificates count for the tool itself as they do for uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.certificates import Certificates
from support.homes import REACHED, Home
from support.local_index import LocalIndex
from support.uv import resolve

from bisect_asgi.backend.network import certificates as ours
from bisect_asgi.backend.network.configured import binary
from bisect_asgi.core.errors import Unavailable

TRUST = (
    "name the file of the authority that signed it, as in `SSL_CERT_FILE=ca.pem`, or trust this machine's "
    "certificates with `UV_SYSTEM_CERTS=1`"
)


def test_an_authority_in_a_file_is_trusted(
    secure: LocalIndex, user: Home, certificates: Certificates
) -> None:
    user.set(SSL_CERT_FILE=certificates.authority)

    assert user.reach() == REACHED


def test_an_authority_in_a_folder_is_trusted_whatever_its_file_is_called(
    secure: LocalIndex, user: Home, certificates: Certificates
) -> None:
    (user.folder / "trusted").mkdir()
    shutil.copy(certificates.authority, user.folder / "trusted" / "of our company.txt")
    (user.folder / "trusted" / "README").write_text(
        "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----"
    )
    (user.folder / "trusted" / "gone.pem").symlink_to("nowhere")
    user.set(SSL_CERT_DIR=f"/nonexistent:{user.folder / 'trusted'}")

    assert user.reach() == REACHED


def test_file_and_folder_count_together(secure: LocalIndex, user: Home, certificates: Certificates) -> None:
    (user.folder / "trusted").mkdir()
    shutil.copy(certificates.authority, user.folder / "trusted" / "own.pem")
    user.set(SSL_CERT_FILE=certificates.other, SSL_CERT_DIR=user.folder / "trusted")

    assert user.reach() == REACHED


@pytest.mark.skipif(shutil.which("openssl") is None, reason="only openssl knows the name")
def test_an_authority_that_is_found_by_the_name_of_its_file_is_trusted_without_reading_all(
    secure: LocalIndex, user: Home, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(certificates.authority)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (user.folder / "trusted").mkdir()
    shutil.copy(certificates.authority, user.folder / "trusted" / f"{hashed}.0")
    user.set(SSL_CERT_DIR=user.folder / "trusted")
    monkeypatch.setattr(ours, "trusting", None)

    assert user.page() == ["1.0"]


@pytest.mark.parametrize("folder", ["others", "empty"])
def test_an_authority_in_a_file_is_trusted_whatever_is_in_the_folder(
    secure: LocalIndex, user: Home, certificates: Certificates, folder: str
) -> None:
    (user.folder / folder).mkdir()
    if folder == "others":
        shutil.copy(certificates.other, user.folder / folder / "0a1b2c3d.0")
    user.set(SSL_CERT_FILE=certificates.authority, SSL_CERT_DIR=user.folder / folder)

    assert user.reach() == REACHED


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        pytest.param(None, {}, id="mozillas"),
        pytest.param(None, {"UV_SYSTEM_CERTS": "1"}, id="the-machines"),
        pytest.param("other.pem", {}, id="others"),
        pytest.param("missing.pem", {}, id="a-file-that-is-not-there"),
    ],
)
def test_a_certificate_that_nobody_trusts_is_asked_for_once_and_has_a_hint(
    secure: LocalIndex, user: Home, certificates: Certificates, file: str | None, settings: dict[str, str]
) -> None:
    user.set(**settings)
    if file:
        user.set(SSL_CERT_FILE=certificates.authority.with_name(file))

    with pytest.raises(Unavailable) as ours:
        user.page()
    connections = secure.connections
    with pytest.raises(Unavailable) as uvs:
        resolve(user.uv(), "demo", builds=False)

    assert str(ours.value).startswith(f"the index's certificate is not trusted: `{secure.url}/demo/` (")
    assert str(uvs.value).startswith(f"the index's certificate is not trusted: `{secure.url}/demo/` (")
    assert (ours.value.hint, uvs.value.hint) == (TRUST, TRUST)
    assert connections == 1


def test_a_certificate_for_another_host_has_another_hint(user: Home, certificates: Certificates) -> None:
    user.set(SSL_CERT_FILE=certificates.authority)
    with LocalIndex(tls=certificates.server("index.example")) as index:
        user.set(UV_DEFAULT_INDEX=index.url)

        with pytest.raises(Unavailable) as ours:
            user.page()
        with pytest.raises(Unavailable) as uvs:
            resolve(user.uv(), "demo", builds=False)

    hint = "check the host in uv's configuration: the certificate is for another one"
    assert (ours.value.hint, uvs.value.hint) == (hint, hint)


@pytest.mark.parametrize(
    "form", ["localhost", "localhost:{port}", "https://localhost", "first.example localhost"]
)
def test_a_host_that_is_called_insecure_is_believed(secure: LocalIndex, user: Home, form: str) -> None:
    user.set(UV_INSECURE_HOST=form.format(port=secure.url.rpartition(":")[2].partition("/")[0]))

    assert user.reach() == REACHED


def test_so_is_one_in_uvs_configuration(secure: LocalIndex, user: Home) -> None:
    user.configure('allow-insecure-host = ["localhost"]\n')

    assert user.reach() == REACHED


@pytest.mark.parametrize("form", ["localhost:1", "local", "example.org"])
def test_another_host_that_is_called_insecure_changes_nothing(
    secure: LocalIndex, user: Home, form: str
) -> None:
    user.set(UV_INSECURE_HOST=form)

    with pytest.raises(Unavailable):
        user.page()


def test_a_certificate_of_ones_own_is_shown(user: Home, certificates: Certificates) -> None:
    user.set(SSL_CERT_FILE=certificates.authority, SSL_CLIENT_CERT=certificates.client())
    with LocalIndex(tls=certificates.server(wants_one=True)) as index:
        index.add_wheel("demo", "1.0")
        user.set(UV_DEFAULT_INDEX=index.url)

        assert user.reach() == REACHED


def test_an_index_that_wants_one_says_so(user: Home, certificates: Certificates) -> None:
    user.set(SSL_CERT_FILE=certificates.authority)
    with LocalIndex(tls=certificates.server(wants_one=True)) as index:
        user.set(UV_DEFAULT_INDEX=index.url)

        with pytest.raises(Unavailable) as ours:
            user.page()
        with pytest.raises(Unavailable) as uvs:
            resolve(user.uv(), "demo", builds=False)

    for caught in (ours, uvs):
        assert str(caught.value).startswith(f"the index wants a certificate of yours: `{index.url}/demo/` (")
        assert caught.value.hint == "name the file with it and its key, as in `SSL_CLIENT_CERT=me.pem`"


BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
ASK = "import sys; sys.argv[0] = 'bisect-asgi'; from bisect_asgi.__main__ import main; main()"


@pytest.mark.parametrize("configured", ["UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "uv.toml"])
def test_the_machines_authorities_are_trusted_if_uv_is_told_so(
    secure: LocalIndex, user: Home, certificates: Certificates, configured: str
) -> None:
    if configured == "uv.toml":
        user.configure("system-certs = true\n")
    else:
        user.set(**{configured: "true"})
    user.set(BISECT_ASGI_CACHE_DIR=user.folder / "own-cache")
    mounted = f"mount --bind {certificates.authority} {BUNDLE}"
    in_namespace = ["unshare", "--mount", "sh", "-c", f'{mounted} && exec "$@"', "sh"]
    if not BUNDLE.exists() or subprocess.run([*in_namespace, "true"], capture_output=True).returncode:
        pytest.skip("only root can change this machine's certificates, for one process")

    asked = [sys.executable, "-c", ASK, "releases", "demo"]
    ours = subprocess.run([*in_namespace, *asked], capture_output=True, text=True)
    plain = [binary(), "pip", "compile", "-", "--no-header", "--python", sys.executable]
    uvs = subprocess.run([*in_namespace, *plain], input="demo", capture_output=True, text=True)

    assert ours.stdout.split()[:1] == ["1.0"], ours.stderr
    assert "demo==1.0" in uvs.stdout, uvs.stderr
