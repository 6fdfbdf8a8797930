"""Counting tokens: a page that is drawn again does not ask a second time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from sapo_analysis import jobs
from sapo_analysis.app import tokens


def test_what_is_being_counted_is_waited_for(monkeypatch):
    asked, begun, go_on = [], Event(), Event()

    def probe(kind, payload, patience):
        asked.append(payload["texts"])
        begun.set()
        assert go_on.wait(60)
        return {"n_tokens": [len(text.split()) for text in payload["texts"]]}

    monkeypatch.setattr(jobs, "probe", probe)
    texts = ["counted once", "and waited for twice"]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(tokens.count, "pocket", texts)
        assert begun.wait(60)
        again = [pool.submit(tokens.count, "pocket", texts) for _ in range(2)]
        go_on.set()
        assert [each.result(60) for each in (first, *again)] == ["", "", ""]
    assert asked == [texts]
    assert tokens.counts("pocket", texts) == [2, 4]
