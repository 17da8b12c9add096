"""Blobs in a bucket: every promise of the folder, against a real server that checks signatures."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3_server import S3Server
from webapp.core.blobs import BlobMissing, open_store
from webapp.core.errors import Unavailable
from webapp.core.s3 import S3Blobs

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    started = S3Server(tmp_path_factory.mktemp("s3") / "data")
    yield started
    started.stop()


@pytest.fixture
def bucket(server: S3Server) -> S3Blobs:
    store = open_store(server.url)
    assert isinstance(store, S3Blobs)
    return store


def test_what_was_put_is_got_and_gone_after_delete(bucket: S3Blobs) -> None:
    data = bytes(range(256)) * 4000
    bucket.put("ab/cd/one", data)
    assert bucket.get("ab/cd/one") == data
    assert bucket.exists("ab/cd/one")
    bucket.put("ab/cd/one", b"")
    assert bucket.get("ab/cd/one") == b""
    bucket.delete("ab/cd/one")
    bucket.delete("ab/cd/one")
    assert not bucket.exists("ab/cd/one")
    with pytest.raises(BlobMissing):
        bucket.get("ab/cd/one")


def test_keys_below_a_folder_are_listed_sorted_without_the_prefix(bucket: S3Blobs) -> None:
    for name in ("audit/2", "audit/1", "auditor/3"):
        bucket.put(name, b"x")
    assert bucket.keys("audit") == ["audit/1", "audit/2"]
    assert bucket.keys("nothing") == []


@pytest.mark.parametrize("key", ["../x", "/x", "A", "a//b", ".x", "a b", ""])
def test_what_is_no_key_is_refused_before_anything_is_asked(bucket: S3Blobs, key: str) -> None:
    with pytest.raises(ValueError, match="not a blob key"):
        bucket.put(key, b"x")


def test_a_wrong_secret_is_unavailable_and_keeps_nothing(server: S3Server) -> None:
    wrong = S3Blobs.of(server.url.replace("signs", "sines"), {})
    with pytest.raises(Unavailable, match="answered 403"):
        wrong.put("ab/secretly", b"x")
    assert "ab/secretly" not in server.objects()


def test_a_server_that_is_away_is_unavailable_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    server = S3Server(tmp_path / "data")
    try:
        store = S3Blobs.of(server.url, {})
        store.put("a", b"1")
        server.stop()
        with pytest.raises(Unavailable, match="does not answer"):
            store.get("a")
        server.start()
        assert store.get("a") == b"1"
    finally:
        server.stop()


def test_the_usual_environment_fills_what_the_url_leaves_out() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-central-1", "AWS_SESSION_TOKEN": "t"}
    bucket = S3Blobs.of("s3://mail/deep/down", environ).bucket
    assert (bucket.endpoint, bucket.region) == ("https://s3.eu-central-1.amazonaws.com", "eu-central-1")
    assert (bucket.name, bucket.prefix, bucket.key, bucket.secret, bucket.session_token) == ("mail", "deep/down", "k", "s", "t")


def test_a_file_goes_in_and_comes_out_a_piece_at_a_time_and_can_be_read_from_the_middle(bucket: S3Blobs) -> None:
    source = io.BytesIO(b"0123456789" * 600_000)
    source.seek(77)
    assert bucket.put_file("imports/one", source) == 6_000_000
    with bucket.open("imports/one") as kept:
        kept.seek(5_999_995)
        assert kept.read() == b"56789"
        kept.seek(-3, io.SEEK_END)
        assert kept.read(10) == b"789"
        kept.seek(4_000_003)
        assert kept.read(500_000) == (b"0123456789" * 50_001)[3:500_003]
    with pytest.raises(BlobMissing):
        bucket.open("imports/none")
