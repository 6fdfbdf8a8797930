"""The file of endpoints: each key bound to one base URL, and errors that show no secret."""

from __future__ import annotations

import re

import pytest
import yaml

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.endpoints import (
    EXAMPLE,
    endpoints_path,
    find_endpoint,
    read_endpoints,
)

SECRET = "sk-very-secret-271828"
GOOD = {"base_url": "https://api.example.com/v1", "model": "m"}


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "sapo" / "endpoints.yaml"
    path.parent.mkdir()
    monkeypatch.delenv("SAPO_ENDPOINTS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return path


def read(file, **settings):
    file.write_text(yaml.safe_dump({"endpoints": {"here": {**GOOD, **settings}}}))
    return read_endpoints()["here"]


def refused(file, **settings):
    with pytest.raises(InputError) as error:
        read(file, **settings)
    assert str(file) in str(error.value)
    return str(error.value)


def test_the_example_is_a_valid_file_and_no_file_is_no_endpoint(file, monkeypatch):
    assert read_endpoints() == {}
    file.write_text("# none yet\n")
    assert read_endpoints() == {}
    file.write_text(EXAMPLE)
    found = read_endpoints()
    assert list(found) == ["local", "hosted"]
    assert found["hosted"].models == ("large-model", "small-model")
    assert (found["local"].where, found["hosted"].where) == ("127.0.0.1:8000", "api.example.com")
    assert found["local"].missing_key() == ""
    assert "EXAMPLE_API_KEY, which is not set" in found["hosted"].missing_key()
    monkeypatch.setenv("EXAMPLE_API_KEY", f" {SECRET}\n")
    key = found["hosted"].key()
    assert key.get_secret_value() == SECRET and SECRET not in repr((key, found))


def test_the_file_is_where_the_variable_says_else_in_the_users_folder(file, tmp_path, monkeypatch):
    assert endpoints_path() == file
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert endpoints_path() == tmp_path / ".config" / "sapo" / "endpoints.yaml"
    monkeypatch.setenv("SAPO_ENDPOINTS", str(tmp_path / "other.yaml"))
    assert endpoints_path() == tmp_path / "other.yaml"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/openai/v1/",
        "http://localhost:11434/v1",
        "http://127.0.0.9/v1",
        "http://[::1]:8000/v1",
    ],
)
def test_plain_urls_are_taken(file, url):
    assert read(file, base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"https://me:{SECRET}@api.example.com/v1", "no user name or password"),
        (f"https://api.example.com/v1?key={SECRET}", "no ? or # part"),
        (f"https://api.example.com/v1#{SECRET}", "no ? or # part"),
        ("ftp://api.example.com", "must be a plain URL such as"),
        ("api.example.com/v1", "must be a plain URL"),
        ("https://", "must be a plain URL"),
        ("https://api.example.com:0/v1", "must be a plain URL"),
        ("https://api.example.com:99999/v1", "must be a plain URL"),
        ("https://api.example.com\\.evil.com/v1", "must be a plain URL"),
        ("https://api.example.com/v1\nHost: evil", "must be a plain URL"),
        ("https://api.example.com/v1/chat/completions", "is added by itself"),
        ("http://api.example.com/v1", "plain http is for this machine"),
        ("http://127.0.0.1.evil.com/v1", "plain http is for this machine"),
        ("http://2130706433/v1", "plain http is for this machine"),
        (7, "base_url: must be text."),
    ],
)
def test_other_urls_are_refused_without_being_shown(file, url, why):
    said = refused(file, base_url=url)
    assert f"here.base_url: {why}" in said or why in said
    assert SECRET not in said and "evil" not in said


def test_plain_http_elsewhere_has_to_be_said_and_is_warned_about(file):
    found = read(file, base_url="http://10.0.0.7:8000/v1", allow_http=True)
    assert found.warnings() == ["Texts and key go to 10.0.0.7:8000 unencrypted (allow_http)."]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"model": []}, "here.model: must name at least 1"),
        ({"model": ""}, "here.model"),
        ({"model": ["a b"]}, "here.model"),
        ({"modle": "m"}, "here.modle: unknown setting. Did you mean 'model'?"),
        ({"base_url": None}, "here.base_url: must be text."),
        ({"key": SECRET}, "here.key: keys are not written into this file"),
        ({"api-key": SECRET}, "here.api-key: keys are not written into this file"),
        ({"key_env": SECRET}, "here.key_env: must be the name of an environment variable"),
        ({"key_env": "A", "key_file": "b"}, "here.key_env and key_file are both given"),
        ({"headers": {"Authorization": SECRET}}, "here.headers: Authorization may not be set"),
        ({"headers": {"X-Api-Key": SECRET}}, "here.headers: X-Api-Key may not be set"),
        ({"headers": {"Host": "evil.com"}}, "here.headers: Host is set by itself"),
        ({"headers": {"X-A": "b\r\nHost: evil.com"}}, "here.headers: X-A must be"),
        ({"headers": {"X A": "b"}}, "here.headers: names may have letters"),
        ({"headers": {"X-A": 5}}, "here.headers.X-A: must be text."),
        ({"price_in": 1}, "price_in and price_out are given both or not at all"),
        ({"price_in": float("nan"), "price_out": 1}, "here.price_in"),
        ({"price_in": -1, "price_out": 1}, "here.price_in"),
        ({"parallel": 0}, "here.parallel"),
        ({"timeout": 0}, "here.timeout"),
        ({"timeout": "60"}, "here.timeout"),
        ({"allow_http": "yes"}, "here.allow_http"),
        ({"max_tokens": 0}, "here.max_tokens"),
        ({"name": "x"}, "here.name: unknown setting"),
    ],
)
def test_each_wrong_field_is_named_and_no_secret_is_shown(file, settings, why):
    said = refused(file, **settings)
    assert why in said
    assert SECRET not in said and "evil" not in said


def test_all_that_is_wrong_is_said_at_once(file):
    entries = {"a": {"model": "m"}, "b": {**GOOD, "parallel": 0}, "c d": GOOD, "e": 3}
    file.write_text(yaml.safe_dump({"endpoints": entries}))
    with pytest.raises(InputError) as error:
        read_endpoints()
    said = str(error.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in said] == [
        "a.base_url",
        "b.parallel",
        "An endpoint has a name that cannot be used",
        "e",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "must have one table, `endpoints`"),
        ("here: {}", "must have one table"),
        ("endpoints: 3", "must have one table"),
        (f"endpoints:\n  a: {{key: {SECRET}\n  b", "is not YAML at line 3, column 4"),
        ("endpoints: !!python/object:os.system {}", "is not YAML at line 1"),
        (
            "endpoints:\n  a: {base_url: 'https://a.com', model: m}\n"
            "  a: {base_url: 'https://b.com', model: m}\n",
            "is not YAML at line 2, column 3: a name is there twice",
        ),
        ("#" * 100_001, "has 100,001 bytes"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_so(file, text, why):
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=re.escape(why)) as error:
        read_endpoints()
    assert SECRET not in str(error.value)


def test_an_unknown_endpoint_names_the_known_the_file_and_an_example(file):
    with pytest.raises(InputError) as error:
        find_endpoint("here")
    assert str(file) in str(error.value) and EXAMPLE in str(error.value)
    read(file)
    with pytest.raises(
        InputError, match="Unknown endpoint 'her'. Did you mean 'here'. Known: here"
    ):
        find_endpoint("her")
    assert find_endpoint("here").pick(None) == "m"


def test_a_key_file_lies_beside_the_settings_and_others_should_not_read_it(file):
    found = read(file, key_file="my.key")
    key_file = file.with_name("my.key")
    with pytest.raises(InputError, match=r"Cannot read the key of endpoint 'here' .*No such file"):
        found.key()
    key_file.write_text(f"{SECRET}\n")
    key_file.chmod(0o644)
    assert found.key().get_secret_value() == SECRET
    (warned,) = found.warnings()
    assert f"chmod 600 '{key_file}'" in warned
    key_file.chmod(0o600)
    assert found.warnings() == []


@pytest.mark.parametrize(
    "key", ["", " \n", "two words", "a\nb\nc", "schl\u00fcssel", "abc", "a\0bcd"]
)
def test_what_is_no_key_is_refused_unseen(file, key):
    found = read(file, key_file="my.key")
    file.with_name("my.key").write_text(key)
    with pytest.raises(InputError, match="Put the key into it, and nothing else") as error:
        found.key()
    assert not key.strip() or key.strip() not in str(error.value)


def test_a_key_may_not_stand_in_a_header_too(file, monkeypatch):
    monkeypatch.setenv("A_KEY", SECRET)
    found = read(file, key_env="A_KEY", headers={"X-Title": f"study {SECRET}"})
    with pytest.raises(InputError, match="holds its key") as error:
        found.key()
    assert SECRET not in str(error.value) + repr(found)
