"""Who may change what is served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import InvalidArgument, PermissionDenied, Unauthenticated
from servable.transport.admin_access import Access, Caller, grpc_caller

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1", ""),
        ("127.0.0.1", "localhost:8501"),
        ("127.0.0.1", "LOCALHOST"),
        ("127.0.0.1", "127.0.0.1:8501"),
        ("::1", "[::1]:8501"),
        ("::ffff:127.0.0.1", "localhost"),
        ("unix", ""),
    ],
)
def test_without_a_key_this_machine_may(address: str, host: str) -> None:
    Access().check(Caller(address, {"user-agent": "curl"}, host))


@pytest.mark.parametrize(
    ("address", "host", "headers"),
    [
        ("10.1.2.3", "localhost", {}),
        ("", "", {}),
        ("127.0.0.6", "localhost", {}),  # where sidecars of a service mesh come from
        ("127.0.0.1", "evil.example", {}),  # a name that was pointed here
        ("127.0.0.1", "localhost.evil.example:8501", {}),
        ("127.0.0.1", "[::2]:8501", {}),
        ("127.0.0.1", "localhost", {"origin": "http://evil.example"}),
        ("127.0.0.1", "localhost", {"sec-fetch-site": "same-origin"}),
        ("127.0.0.1", "localhost", {"x-forwarded-for": "10.1.2.3"}),
        ("127.0.0.1", "localhost", {"x-forwarded-proto": "https"}),
        ("127.0.0.1", "localhost", {"x-envoy-internal": "true"}),
        ("127.0.0.1", "localhost", {"forwarded": "for=10.1.2.3"}),
        ("127.0.0.1", "localhost", {"via": "1.1 proxy"}),
        ("127.0.0.1", "localhost", {"x-real-ip": "10.1.2.3"}),
    ],
)
def test_without_a_key_nobody_else_may(address: str, host: str, headers: dict[str, str]) -> None:
    with pytest.raises(PermissionDenied) as refused:
        Access().check(Caller(address, headers, host))
    assert "--admin-key-file" in refused.value.hint


@pytest.mark.parametrize("shown", [f"Bearer {KEY}", f"bearer  {KEY} "])
def test_who_has_the_key_may_from_anywhere(shown: str) -> None:
    Access(KEY).check(Caller("10.1.2.3", {"authorization": shown}, "servable.example"))


@pytest.mark.parametrize(
    "shown", ["", "Bearer", KEY, f"Basic {KEY}", f"Bearer {KEY[:-1]}", f"Bearer {KEY}0", "Bearer é"]
)
def test_with_a_key_this_machine_needs_it_too(shown: str) -> None:
    headers = {"authorization": shown} if shown else {}
    with pytest.raises(Unauthenticated) as refused:
        Access(KEY).check(Caller("127.0.0.1", headers, "localhost"))
    assert KEY not in f"{refused.value} {refused.value.hint}"


@given(st.text())
def test_no_other_text_is_the_key(shown: str) -> None:
    if shown.strip() == KEY:
        return
    with pytest.raises(Unauthenticated):
        Access(KEY).check(Caller("127.0.0.1", {"authorization": f"Bearer {shown}"}))


@pytest.mark.parametrize("key", ["short", " " * 20, "a" * 5000, "é" * 20, "two words of 20 chars"])
def test_what_is_no_key_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(InvalidArgument, match="no line of 16 to 4096 characters"):
        Access(key)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:40000", "127.0.0.1"),
        ("ipv6:[::1]:40000", "::1"),
        ("ipv6:%5B::1%5D:40000", "::1"),
        ("ipv4:10.0.0.7:1", "10.0.0.7"),
        ("unix:", "unix"),
        ("unix:/run/servable.sock", "unix"),
        ("", ""),
    ],
)
def test_where_a_call_comes_from(peer: str, address: str) -> None:
    caller = grpc_caller(peer, [("authorization", b"Bearer x"), ("via", "1")])
    assert caller.address == address
    assert caller.headers == {"authorization": "Bearer x", "via": "1"}
