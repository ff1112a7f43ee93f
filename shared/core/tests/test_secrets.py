"""Secrets by reference, and never in what people read."""

from __future__ import annotations

import pytest

from flyte_agent_core import Resource, rpc, secrets
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.text import MESSAGE_LIMIT_BYTES, bounded, describe

CANARY = "canary-7f3a-secret-value"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FLYTE_SECRETS_DEFAULT_DIR", str(tmp_path))
    return tmp_path


def test_the_narrowest_place_wins(folder, monkeypatch):
    (folder / "key").write_text("everybody\n")
    assert secrets.resolve("key", project="p", domain="d").reveal() == "everybody"
    (folder / "p").mkdir()
    (folder / "p" / "key").write_text("project")
    assert secrets.resolve("key", project="p", domain="d").reveal() == "project"
    (folder / "p" / "d").mkdir()
    (folder / "p" / "d" / "key").write_text("domain")
    assert secrets.resolve("key", project="p", domain="d").reveal() == "domain"
    monkeypatch.setenv("_FSEC_P__D__KEY", "variable")
    assert secrets.resolve("key", project="p", domain="d").reveal() == "variable"
    with rpc.serving(5, connection={"key": "connection"}):
        assert secrets.resolve("key", project="p", domain="d").reveal() == "connection"


def test_another_project_cannot_be_reached_by_a_clever_name(folder, monkeypatch):
    monkeypatch.setenv("_FSEC_TEAM__PROD__KEY", CANARY)
    for name in (
        "team--prod--key",
        "team__prod__key",
        "../team/key",
        "team/prod/key",
        "-key",
        "",
        "k" * 200,
    ):
        with pytest.raises(InvalidConfig, match="expected letters and digits"):
            secrets.resolve(name)
    with pytest.raises(InvalidConfig, match="looked at"):
        secrets.resolve("key", project="other", domain="prod")


def test_a_missing_secret_says_where_it_was_looked_for(folder):
    with pytest.raises(InvalidConfig) as caught:
        secrets.resolve("db-key", project="p", domain="d")
    for place in (
        "$_FSEC_P__D__DB_KEY",
        "$_FSEC_P__DB_KEY",
        "$_FSEC_DB_KEY",
        str(folder / "db-key"),
    ):
        assert place in str(caught.value)


def test_a_secret_prints_as_stars():
    secret = secrets.Secret(CANARY)
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert CANARY not in bounded(f"failed with token {CANARY}!")
    assert CANARY not in (Resource(phase=2, message=f"token {CANARY}").message or "")


def test_short_values_are_not_masked():
    secrets.Secret("us")
    assert secrets.redact("status") == "status"


def test_only_the_last_secrets_are_remembered():
    for number in range(600):
        secrets.remember(f"value-number-{number}")
    assert len(secrets._known) <= 512


def test_messages_are_bounded():
    message = bounded("first line\n" + "ü" * 5000)
    assert len(message.encode()) <= MESSAGE_LIMIT_BYTES
    assert message.startswith("first line")
    assert message.endswith("[10011 bytes in all]")
    assert bounded("a\x00b") == "a\\0b"
    assert bounded("lone \ud800 surrogate")


def test_an_error_without_words_still_says_something():
    assert describe(KeyError()) == "KeyError"
    assert describe(ValueError(" x ")) == "x"


def test_a_message_that_holds_a_known_secret_is_told_from_others() -> None:
    secrets.remember("canary-ünicode-1")
    assert secrets.is_in("before canary-ünicode-1 after".encode())
    assert not secrets.is_in(b"before canary- after")
