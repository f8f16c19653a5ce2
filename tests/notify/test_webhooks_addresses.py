"""Where webhooks may lead. Real receivers, and name servers of which a test decides what they say."""

import asyncio
import datetime
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assay.notify.webhooks import posting, signing
from assay.notify.webhooks.addresses import Address, Addresses, RefusedAddressError, SystemResolver, is_public
from assay.notify.webhooks.domain import Outcome
from assay.notify.webhooks.errors import WebhookAddressError
from assay.notify.webhooks.posting import Poster
from assay.notify.webhooks.targets import Targets
from notify.receivers import Answer, Received, receiving

PUBLIC, OTHER_PUBLIC = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
SECRETS = (signing.new_secret(),)
REFUSED = (
    "0.0.0.0",  # noqa: S104  # refused, not bound
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.215.14",
    "64:ff9b::7f00:1",
    "64:ff9b::5db8:d70e",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:5db8:d70e::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
)


class Names:
    """A name server: says one thing after the other, and the last for ever."""

    def __init__(self, *said: Sequence[str]) -> None:
        self._said = list(said)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return list(self._said.pop(0) if len(self._said) > 1 else self._said[0])


@asynccontextmanager
async def posting_by(
    addresses: Addresses, *, ca_file: Path | None = None, timeout_s: float = 5.0
) -> AsyncIterator[Poster]:
    poster = Poster(addresses, context=posting.trust(ca_file), timeout_s=timeout_s, connections=10)
    yield poster
    await poster.close()


async def post(poster: Poster, url: str) -> Outcome:
    return await poster.post(url, message_id="m", body=b"{}", secrets=SECRETS)


def loopback(address: Address) -> bool:
    return address.is_loopback


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, OTHER_PUBLIC, "1.1.1.1", "172.32.0.1", "100.128.0.1", "2a00:1450::1"])
def test_what_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "::1", "::ffff:127.0.0.1"]
)
async def test_other_ways_of_writing_an_address_lead_nowhere_either(host: str) -> None:
    resolver = SystemResolver()
    try:
        with pytest.raises(RefusedAddressError):
            await Addresses(resolver).of(host, 80)
    finally:
        resolver.close()


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://receiver.test/", "https://"),
        ("ftp://receiver.test/", "https://"),
        ("https:///path", "host"),
        ("receiver.test/hook", "https://"),
        ("https://user:password@receiver.test/", "user and password"),
        ("https://user@receiver.test/", "user and password"),
        ("https://receiver.test/#there", "#"),
        ("https://receiver.test:99999/", "port"),
        ("https://receiver.test:0/", "port"),
        ("https://receiver.test/" + "x" * 2000, "characters"),
        ("https://\0/", "no URL"),
    ],
)
async def test_urls_that_are_not_taken(url: str, word: str) -> None:
    targets = Targets(Addresses(Names([PUBLIC])), allow_http=False)
    with pytest.raises(WebhookAddressError) as caught:
        await targets.check(url)
    assert word in caught.value.detail


async def test_urls_that_are_taken() -> None:
    targets = Targets(Addresses(Names([PUBLIC])), allow_http=False)
    assert await targets.check("https://receiver.test/hook?a=b") == "https://receiver.test/hook?a=b"
    assert await targets.check("HTTPS://Receiver.Test:8443") == "https://receiver.test:8443"
    assert await targets.check("https://bücher.test/") == "https://xn--bcher-kva.test/"
    assert await Targets(Addresses(Names([PUBLIC])), allow_http=True).check("http://receiver.test/")


async def test_a_private_host_and_an_unknown_one_are_refused_in_the_same_words() -> None:
    async def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    told = []
    for resolver in (Names(["10.0.0.7"]), nobody):
        with pytest.raises(WebhookAddressError) as caught:
            await Targets(Addresses(resolver), allow_http=False).check("https://receiver.test/")
        told.append(caught.value.detail)
    assert told[0] == told[1]


async def test_a_name_that_is_rebound_after_its_registration_is_refused() -> None:
    async with receiving(name="receiver.test") as receiver:
        names = Names([PUBLIC], ["127.0.0.1"])
        addresses = Addresses(names)
        url = await Targets(addresses, allow_http=True).check(receiver.url)
        async with posting_by(addresses) as poster:
            outcome = await post(poster, url)
        assert outcome.status_code is None
        assert outcome.error is not None
        assert "no public address" in outcome.error
        assert receiver.connections == 0
        assert names.asked == ["receiver.test"] * 2


async def test_a_name_is_asked_once_and_that_very_address_is_connected_to() -> None:
    """A name server that says something harmless to who judges, and something else to who connects."""
    async with (
        receiving(address="127.0.0.2", name="receiver.test") as judged,
        receiving(address="127.0.0.3", port=judged.port) as rebound,
    ):
        names = Names(["127.0.0.2"], ["127.0.0.3"])
        allowed = Addresses(names, is_allowed=lambda address: str(address) == "127.0.0.2")
        async with posting_by(allowed) as poster:
            outcome = await post(poster, judged.url)
        assert outcome.error is None
        assert names.asked == ["receiver.test"]
        assert (judged.connections, rebound.connections) == (1, 0)
        assert judged.received[0].headers["host"] == f"receiver.test:{judged.port}"


async def test_of_several_addresses_only_those_that_may_be_are_tried() -> None:
    async with receiving(address="127.0.0.2", name="receiver.test") as receiver:
        names = Names(["127.0.0.1", "127.0.0.3", "127.0.0.2"])
        allowed = Addresses(names, is_allowed=lambda address: str(address) != "127.0.0.1")
        async with receiving(address="127.0.0.1", port=receiver.port) as private, posting_by(allowed) as poster:
            assert (await post(poster, receiver.url)).error is None
        assert (private.connections, receiver.connections) == (0, 1)


async def test_redirects_are_not_followed() -> None:
    async with receiving() as inside, receiving(name="receiver.test") as receiver:
        receiver.answers = lambda _: Answer(302, (("Location", inside.url),))
        async with posting_by(Addresses(Names(["127.0.0.1"]), is_allowed=loopback)) as poster:
            outcome = await post(poster, receiver.url)
        assert outcome.status_code == 302
        assert outcome.error == "answered 302: redirects are not followed"
        assert inside.connections == 0


async def test_little_of_an_answer_is_read_and_less_is_kept() -> None:
    async with receiving(name="receiver.test") as receiver:
        receiver.answers = lambda _: Answer(200, body=b"\0" + b"y" * 50_000_000)
        async with posting_by(Addresses(Names(["127.0.0.1"]), is_allowed=loopback)) as poster:
            outcome = await post(poster, receiver.url)
        assert outcome.error is None
        assert outcome.response == "\N{REPLACEMENT CHARACTER}" + "y" * (posting.KEPT_CHARACTERS - 1)


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    async with receiving(name="receiver.test") as receiver:

        async def never(_: Received) -> Answer:
            await asyncio.sleep(60)
            return Answer()

        receiver.answers = never
        async with posting_by(Addresses(Names(["127.0.0.1"]), is_allowed=loopback), timeout_s=0.5) as poster:
            started = time.monotonic()
            outcome = await post(poster, receiver.url)
        assert outcome.error == "no answer in 0.5 s"
        assert time.monotonic() - started < 3


async def test_a_connection_that_is_kept_is_used_again() -> None:
    async with receiving(name="receiver.test") as receiver:
        names = Names(["127.0.0.1"])
        async with posting_by(Addresses(names, is_allowed=loopback)) as poster:
            assert [(await post(poster, receiver.url)).error for _ in range(3)] == [None] * 3
        assert (len(receiver.received), receiver.connections, len(names.asked)) == (3, 1, 1)


async def test_no_proxy_of_the_environment_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(name="receiver.test") as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with posting_by(Addresses(Names(["127.0.0.1"]), is_allowed=loopback)) as poster:
            assert (await post(poster, receiver.url)).error is None
        assert (receiver.connections, proxy.connections) == (1, 0)


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a name, signed by itself: the file to trust, and a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    moment = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / f"{name}.key"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return path, context


async def test_tls_is_verified_against_the_name_not_the_address(tmp_path: Path) -> None:
    ca_file, tls = certificate(tmp_path, "receiver.test")
    async with receiving(name="receiver.test", tls=tls) as receiver:
        addresses = Addresses(Names(["127.0.0.1"]), is_allowed=loopback)
        async with posting_by(addresses, ca_file=ca_file) as poster:
            assert (await post(poster, receiver.url)).error is None
            other = await post(poster, receiver.url.replace("receiver.test", "other.test"))
        async with posting_by(addresses) as poster:
            stranger = await post(poster, receiver.url)
        assert len(receiver.received) == 1
        for outcome in (other, stranger):
            assert outcome.status_code is None
            assert outcome.error is not None
            assert outcome.error.startswith("the certificate is not believed")
