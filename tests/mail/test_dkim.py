"""Our signatures, checked by an independent implementation (dkimpy)."""

import dkim as independent
import pytest

from webapp.mail import dkim

PRIVATE, PUBLIC = dkim.new_key()
HEAD = b"From: Ann <a@x.test>\r\nTo: b@y.test\r\nSubject: hello\r\nDate: Mon, 14 Sep 2026 12:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n"
MAILS = {
    "plain": HEAD + b"\r\nHello\r\n",
    "no body": HEAD + b"\r\n",
    "no blank line": HEAD,
    "blank lines at the end": HEAD + b"\r\nHello\r\n\r\n\r\n",
    "blanks inside": HEAD + b"\r\nHello \t  there  \r\n\t\r\n x\r\n",
    "no line end": HEAD + b"\r\nHello",
    "only blanks": HEAD + b"\r\n   \r\n \r\n",
    "folded": b"From: a@x.test\r\nSubject: a\r\n  long\r\n\tone \r\nTo: b@y.test,\r\n c@y.test\r\n\r\nHi\r\n",
    "repeated": b"Received: 1\r\nReceived: 2\r\nFrom: a@x.test\r\nTo: b@y.test\r\nTo: c@y.test\r\nSubject: x\r\nSubject: y\r\n\r\nHi\r\n",
    "empty value": b"From: a@x.test\r\nSubject:\r\nReply-To: \r\n\r\nHi\r\n",
    "eight bit": b"From: a@x.test\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\n\xe4\xf6\xfc\r\n",
}


def _dns(_name: bytes, timeout: int = 5) -> bytes:
    return dkim.dns_value(PUBLIC).encode()


@pytest.mark.parametrize("name", MAILS)
def test_a_signature_is_valid_for_others(name: str) -> None:
    signed = dkim.sign(MAILS[name], "x.test", "s1", PRIVATE)
    assert signed.endswith(MAILS[name])
    assert independent.verify(signed, dnsfunc=_dns)
    assert max(len(line) for line in signed.split(b"\r\n")) <= 998


def test_an_ed25519_signature_beside_the_rsa_one_is_valid_for_others() -> None:
    private, public = dkim.new_key("ed25519")
    both = dkim.sign(dkim.sign(MAILS["plain"], "x.test", "s2", private), "x.test", "s1", PRIVATE)
    values = {b"s1._domainkey.x.test.": dkim.dns_value(PUBLIC), b"s2._domainkey.x.test.": dkim.dns_value(public, "ed25519")}
    asked = independent.DKIM(both)
    for number in range(2):
        assert asked.verify(number, dnsfunc=lambda name, timeout=5: values[name].encode()), number
    assert both.count(b"a=ed25519-sha256") == both.count(b"a=rsa-sha256") == 1


def test_a_changed_body_or_a_second_from_breaks_the_signature() -> None:
    signed = dkim.sign(MAILS["plain"], "x.test", "s1", PRIVATE)
    assert not independent.verify(signed.replace(b"Hello\r\n", b"Hullo\r\n"), dnsfunc=_dns)
    assert not independent.verify(b"From: evil@x.test\r\n" + signed, dnsfunc=_dns)
