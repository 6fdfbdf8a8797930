"""Asking a real server on this machine: slow, failing, malformed, rate-limited, hostile."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from socket import gaierror

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import original
from sapo_analysis.prompts.checks import checker_of
from sapo_analysis.prompts.endpoints import Endpoint, ask, budget_of, protocol
from sapo_analysis.prompts.endpoints.retrying import Patience
from sapo_analysis.tasks import get_task
from tests.prompts import endpoint_server as does
from tests.prompts.endpoint_server import serving

KEY = "sk-test-3141592653589793"
TASK = get_task("sentiment")
ORIGINAL = original("sentiment").text
ONE = "Does the sentence read as negative to you, or as positive?"
TWO = "Tell me if a reader would call this positive, or else negative."
THREE = "Which is it here: a negative mood, maybe a positive one?"
QUICK = Patience(attempts=3, first_wait=0.01, longest_wait=0.5)


@pytest.fixture(scope="module")
def shared():
    with serving() as server:
        yield server


@pytest.fixture
def server(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TEST_KEY", KEY)
    shared.calls.clear()
    shared.most_under_way = 0
    return shared


def endpoint_of(server, **settings):
    given = {"base_url": server.url, "model": ["m-1", "m-2"], "timeout": 9.0}
    return Endpoint.named("here", {**given, "key_env": "TEST_KEY", **settings})


def asked(server, *acts, n=1, settings=None, **options):
    server.acts = list(acts)
    options = {"per_call": 1, "patience": QUICK, **options}
    return ask(endpoint_of(server, **(settings or {})), TASK, ORIGINAL, n, **options)


def kept(found):
    return [candidate.text for candidate in found.candidates if not candidate.refusal]


def slowly(handler, own):
    time.sleep(0.05)
    does.say(ONE)(handler, own)


def reasons(found):
    return [failure.reason for failure in found.failures]


def test_what_is_sent_and_what_comes_back(server):
    found = asked(server, does.say(f"1. {ONE}\n2. {TWO}"), n=2, per_call=10, seed=7, model="m-2")
    assert kept(found) == [ONE, TWO] and found.failures == []
    (call,) = server.calls
    assert call["path"] == "/v1/chat/completions"
    assert call["headers"]["Authorization"] == f"Bearer {KEY}"
    said = call["body"].pop("messages")
    assert call["body"] == {"model": "m-2", "temperature": 0.6, "seed": 7, "max_tokens": 4096}
    assert ORIGINAL in said[0]["content"] and "Write 2 paraphrases" in said[0]["content"]
    assert (found.source, found.note) == ("endpoint here: m-2", "temperature 0.6, seed 7")
    assert (found.cost.tokens_in, found.cost.tokens_out, found.cost.price) == (100, 20, None)


def test_many_are_parted_evenly_and_made_in_parallel_within_the_bound(server):
    told = []
    found = asked(
        server,
        slowly,
        n=23,
        per_call=4,
        settings={"parallel": 3},
        progress=lambda done, total: told.append((done, total)),
        seed=0,
    )
    sizes = [call["body"]["messages"][0]["content"].split()[1] for call in server.calls]
    assert sorted(sizes) == ["3", "4", "4", "4", "4", "4"]
    assert sorted(call["body"]["seed"] for call in server.calls) == [0, 1, 2, 3, 4, 5]
    assert 2 <= server.most_under_way <= 3
    assert told == [(i, 6) for i in range(1, 7)]
    assert [c.place for c in found.candidates] == [f"reply {i}" for i in range(1, 7)]


def test_a_server_without_a_key_is_sent_none(server):
    found = asked(server, does.say(ONE), settings={"key_env": None})
    assert kept(found) == [ONE] and "Authorization" not in server.calls[0]["headers"]


ENDLESS = [does.hang, does.drip, does.drip_headers]


@pytest.mark.parametrize("bad", [does.fail(500), does.fail(503), does.drop, does.cut, *ENDLESS])
def test_what_may_pass_is_tried_again(server, bad):
    found = asked(server, bad, does.say(ONE), settings={"timeout": 0.3 if bad in ENDLESS else 9})
    assert kept(found) == [ONE] and len(server.calls) >= 2


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (does.fail(500, "out of order"), "answers 500: out of order; tried 3 times"),
        (does.drop, "hangs up without an answer; tried 3 times"),
        (does.cut, "the connection broke before the reply was whole; tried 3 times"),
        *((bad, "no whole reply within 0.1 s; tried 3 times") for bad in ENDLESS),
    ],
)
def test_what_does_not_pass_is_given_up_with_the_reason(server, bad, why):
    begun = time.monotonic()
    found = asked(server, bad, settings={"timeout": 0.1 if bad in ENDLESS else 9})
    assert found.candidates == [] and len(server.calls) == 3
    assert found.failures[0].what == "reply 1" and why in found.failures[0].reason
    assert time.monotonic() - begun < 5  # left alone, each of these takes longer


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (does.raw(b"{not json"), "is not the JSON of a completion; it begins '{not json'"),
        (does.raw(b"[" * 100_000), "is not the JSON of a completion"),
        (does.raw(b"\xff\xfe\x00"), "is not the JSON of a completion"),
        (does.raw(b"<!DOCTYPE html><p>Hi"), "an HTML page came in place of a reply"),
        (does.raw(b'{"choices": []}'), "holds no choice"),
        (does.raw(b'{"choices": [3]}'), "holds no choice"),
        (does.raw(b'{"error": {"message": "no such model"}}'), "no choice: no such model"),
        (does.raw(b'{"choices": [{"message": "text"}]}'), "holds no message"),
        (does.say(None), "the reply is empty"),
        (does.say(" \n"), "the reply is empty"),
        (does.say("", "length"), "nothing was written within 4096 tokens: raise max_tokens"),
        (does.say(None, refusal="I will not."), "the model refused: I will not."),
        (does.say("Some", "content_filter"), "content filter stopped the reply"),
        (does.raw(b"x", Content_Encoding="gzip"), "compressed, which was not asked for"),
        (does.fail(400, "bad temperature"), "answers 400: bad temperature"),
        (does.fail(404), "answers 404"),
        (does.raw(b"", 302, Location="http://[x/"), "redirects to another place (status 302)"),
        (does.raw(b"<html>" + b"x" * 9000, 403), "answers 403: an HTML page (is the key in TEST"),
        (does.fail(429, code="insufficient_quota"), "answers 429"),
    ],
)
def test_what_would_fail_again_is_not_tried_again(server, bad, why):
    found = asked(server, bad)
    assert found.candidates == [] and why in found.failures[0].reason
    assert len(server.calls) == 1


def test_where_nobody_listens_no_call_after_the_first_is_made(server):
    with serving() as gone:
        url = gone.url
    settings = {"base_url": url, "parallel": 1}
    found = asked(server, n=3, settings=settings)
    assert "cannot be reached: connection refused; tried 3 times" in reasons(found)[0]
    assert reasons(found)[1:] == ["not asked for: it would have failed alike"] * 2


def test_a_connection_that_cannot_be_made_is_given_up_soon(server, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(gaierror()))
    began = time.monotonic()
    settings = {"base_url": "https://no.such.place/v1"}
    found = asked(server, settings=settings, patience=Patience(4, 0.1, for_connection=0.2))
    assert "cannot be reached: no machine of that name is found; tried" in reasons(found)[0]
    assert "tried 4 times" not in reasons(found)[0] and time.monotonic() - began < 1
    assert Patience().for_connection <= 3


def test_a_huge_reply_is_not_read_to_its_end(server, monkeypatch):
    monkeypatch.setattr(protocol, "MAX_REPLY_BYTES", 50_000)
    for act in (does.say("x" * 5_000_000), does.raw(b"x" * 5_000_000, 302, Location=server.url)):
        assert reasons(asked(server, act)) == ["the reply has more than 50,000 bytes"]


def test_content_in_parts_and_thinking_are_read(server):
    parts = [{"type": "text", "text": f"<think>\nHm.\n</think>\n{ONE}"}, {"type": "image"}]
    found = asked(server, does.say(parts))
    assert kept(found) == [ONE]
    assert [c.refusal for c in found.candidates][0] == "is a chatbot's thinking"


def test_of_a_reply_that_was_cut_off_the_last_line_is_refused(server):
    found = asked(server, does.say(f"{ONE}\n{TWO}\nWhich is", "length"), n=3, per_call=3)
    assert kept(found) == [ONE, TWO]
    assert "was cut off" in found.candidates[-1].refusal


@pytest.mark.parametrize("wait", ["0.3", "date"])
def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks(server, wait):
    def limited(handler, own):
        moment = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))
        asks = moment if wait == "date" else wait
        does.fail(429, "slow down", Retry_After=asks)(handler, own)

    patience = replace(QUICK, longest_wait=2.0)
    found = asked(server, limited, does.say(ONE), patience=patience)
    assert kept(found) == [ONE]
    waited = server.calls[1]["moment"] - server.calls[0]["moment"]
    assert waited >= (0.3 if wait == "0.3" else 0.0)


def test_a_server_that_asks_for_too_long_a_wait_is_left(server):
    found = asked(server, does.fail(429, "slow down", Retry_After="3600"), n=3)
    assert len(server.calls) <= 3 and "asks to wait 3,600 s, which is too long" in reasons(found)[0]


def test_waits_grow(server):
    found = asked(server, does.fail(503), patience=Patience(3, 0.05, 0.5))
    first, second, third = (call["moment"] for call in server.calls)
    assert found.candidates == []
    assert 0.025 <= second - first and 0.05 <= third - second


def test_what_came_is_kept_beside_what_did_not(server):
    bad, good = does.raw(b"{}"), does.say(ONE)
    found = asked(server, good, bad, good, n=3, settings={"parallel": 1})
    assert kept(found) == [ONE, ONE]
    assert [(f.what, "no choice" in f.reason) for f in found.failures] == [("reply 2", True)]


def test_a_refused_key_ends_it_for_all(server):
    found = asked(server, does.fail(401, "no"), n=20, settings={"parallel": 1})
    assert len(server.calls) == 1 and len(found.failures) == 20
    assert "is the key in TEST_KEY right?" in reasons(found)[0]
    assert set(reasons(found)[1:]) == {"not asked for: it would have failed alike"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_no_other_place_sees_the_key(server, status):
    with serving() as other:
        found = asked(server, does.raw(b"", status, Location=f"{other.url}/chat/completions"))
        assert other.calls == []
    assert "redirects to 127.0.0.1" in reasons(found)[0] and len(server.calls) == 1


def test_neither_proxies_nor_logins_of_the_environment_are_used(server, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert kept(asked(server, does.say(ONE))) == [ONE]
        assert proxy.calls == []
        found = asked(server, does.say(ONE), n=2, settings={"key_env": None})
    assert kept(found) and "Authorization" not in server.calls[-1]["headers"]


def test_a_second_time_nothing_is_asked_and_a_change_asks_anew(server):
    first = asked(
        server, does.say(ONE), does.fail(400), does.say(TWO), n=2, settings={"parallel": 1}
    )
    assert len(server.calls) == 2 and kept(first) == [ONE]
    server.calls.clear()
    again = asked(server, does.say(TWO), n=2)  # the one that failed is asked for again
    assert len(server.calls) == 1 and kept(again) == [ONE, TWO]
    assert (again.cost.calls, again.cost.cached) == (1, 1)
    for change in ({"seed": 1}, {"temperature": 0.7}, {"model": "m-2"}):
        server.calls.clear()
        asked(server, does.say(TWO), n=2, **change)
        assert len(server.calls) == 2, change
    server.calls.clear()
    assert kept(asked(server, does.fail(500), n=2)) == [ONE, TWO] and server.calls == []


def test_a_damaged_or_closed_cache_is_no_failure(server, tmp_path):
    asked(server, does.say(ONE))
    (file,) = (tmp_path / "cache").rglob("*.json")
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0
    file.write_text('{"text": 3}')
    assert kept(asked(server, does.say(TWO))) == [TWO]
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("in the way")
    found = asked(server, does.say(ONE))
    assert kept(found) == [ONE] and found.failures[0].what == "cache"


def test_the_budget_is_told_first_and_holds(server):
    priced = {"price_in": 2.0, "price_out": 10.0, "max_tokens": 100}
    endpoint = endpoint_of(server, **priced)
    told = budget_of(endpoint, TASK, ORIGINAL, 20)
    assert (told.calls, told.cached, told.tokens_most) == (2, 0, 200) and server.calls == []
    assert told.cost == pytest.approx((told.tokens_in * 2 + told.tokens_out * 10) / 1e6)
    assert told.cost_most == pytest.approx((told.tokens_in * 2 + 200 * 10) / 1e6)
    assert "2 calls to model m-1 at 127.0.0.1" in told.sentence and not told.large
    assert budget_of(endpoint, TASK, ORIGINAL, 20, per_call=1).large
    found = asked(server, does.say(ONE), n=20, per_call=10, settings=priced)
    assert found.cost.price == pytest.approx((200 * 2 + 40 * 10) / 1e6)
    assert budget_of(endpoint, TASK, ORIGINAL, 20).sentence == (
        "All 2 calls answered before; nothing is sent."
    )
    unpriced = budget_of(endpoint_of(server), TASK, ORIGINAL, 1)
    assert unpriced.cost is None and "the endpoint has no prices" in unpriced.sentence


def test_tokens_that_the_server_does_not_count_make_no_price(server):
    bare = json.dumps({"choices": [{"message": {"content": ONE}}]}).encode()
    found = asked(server, does.raw(bare), settings={"price_in": 1.0, "price_out": 1.0})
    assert found.cost.price is None and "not all replies were counted" in found.cost.sentence


@pytest.mark.parametrize(
    ("n", "options", "why"),
    [
        (0, {}, "Ask for 1 to 500"),
        (501, {}, "Ask for 1 to 500"),
        (True, {}, "Ask for 1 to 500"),
        (2, {"per_call": 0}, "Ask for 1 to 100"),
        (2, {"temperature": 0}, "Temperature 0 writes the same every time, and 2 replies"),
        (2, {"temperature": 2.1}, "out of range. Give one of 0 to 2"),
        (2, {"temperature": float("nan")}, "out of range"),
        (2, {"seed": -1}, "Seed -1 is out of range"),
        (2, {"model": "m-3"}, "Unknown model of endpoint 'here': 'm-3'. Did you mean"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_sent(server, n, options, why):
    with pytest.raises(InputError) as refused:
        asked(server, does.say(ONE), n=n, **options)
    assert why in str(refused.value) and server.calls == []


def test_a_key_that_is_not_there_is_named_and_nothing_is_sent(server, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(InputError, match="environment variable TEST_KEY, which is not set"):
        asked(server, does.say(ONE))
    assert server.calls == []
    monkeypatch.setenv("TEST_KEY", KEY)
    asked(server, does.say(ONE))
    monkeypatch.delenv("TEST_KEY")
    assert kept(asked(server)) == [ONE]  # what was answered before needs none


def test_stopping_makes_no_further_call_and_keeps_what_came(server):
    def stopped(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked(server, slowly, n=20, settings={"parallel": 1}, progress=stopped)
    time.sleep(0.15)
    assert len(server.calls) <= 2
    server.calls.clear()
    assert kept(asked(server, does.say(ONE), n=20)) == [ONE] * 20
    assert 18 <= len(server.calls) <= 19  # one may have been under way, and was kept too


def test_the_key_is_let_through_nowhere(server, tmp_path, caplog, capfd):
    caplog.set_level("DEBUG")
    echo = does.say(f"My key is {KEY}, and positive or negative?")
    acts = [
        echo,
        does.fail(400, f"Incorrect key {KEY}"),
        does.raw(KEY.encode() + b"{"),
        does.raw(b"", 302, Location=f"https://{KEY}.example.com/"),
        does.say(None, refusal=f"not for {KEY}"),
        does.raw(json.dumps({"detail": KEY}).encode(), 403),
        does.say(ONE),
    ]
    found = [asked(server, act, temperature=0.1 * (i + 1)) for i, act in enumerate(acts)]
    assert all(call["headers"]["Authorization"].endswith(KEY) for call in server.calls)
    assert reasons(found[0]) == ["the reply repeats the endpoint's key, and was thrown away"]
    assert kept(found[-1]) == [ONE]
    endpoint = endpoint_of(server)
    out, err = capfd.readouterr()
    shown = repr((found, endpoint, endpoint.key())) + caplog.text + out + err
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert written and not any(KEY in text for text in [shown, *written])


def test_what_came_goes_through_the_same_checks(server):
    reply = f"Sure! Here are two:\n<START>{ONE}</START>\n<START>Is it good?</START>\nEnjoy"
    found = asked(server, does.say(reply), n=2, per_call=2)
    verdicts = checker_of(TASK, [original("sentiment")]).check(found.candidates)
    assert [(c.text, c.verdict) for c in verdicts if c.verdict == "use"] == [(ONE, "use")]
    assert all(c.reasons for c in verdicts if c.verdict != "use")
