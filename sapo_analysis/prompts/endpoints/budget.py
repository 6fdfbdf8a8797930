"""What asking would cost, before it is done, and what it did cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sapo_analysis.prompts.endpoints.endpoint import Endpoint
from sapo_analysis.prompts.endpoints.protocol import Call, Reply

BYTES_PER_TOKEN = 4
"""Of UTF-8, in English, as a rule of thumb; how a server's tokenizer parts text is not known."""
MANY_CALLS = 10
HIGH_COST = 1.0
"""From here on, in whatever currency the prices are, a user is asked first."""


@dataclass(frozen=True)
class Budget:
    """What asking would take; a call that has to be repeated is not counted twice.

    `calls` are those to be made, `cached` those answered before. Tokens are estimates, from bytes;
    `tokens_most` bounds what can be written, thinking included (None: the server decides). Costs
    are None where the endpoint has no prices, or no bound.
    """

    calls: int
    cached: int
    tokens_in: int
    tokens_out: int
    tokens_most: int | None
    cost: float | None
    cost_most: float | None
    where: str
    model: str

    @property
    def large(self) -> bool:
        """Whether to ask before it is spent."""
        unbounded = self.cost is not None and self.cost_most is None
        costly = (self.cost_most or 0.0) > HIGH_COST
        return self.calls > MANY_CALLS or costly or (unbounded and self.calls > 0)

    @property
    def sentence(self) -> str:
        """All of it in words."""
        if not self.calls:
            return f"All {_calls(self.cached)} answered before; nothing is sent."
        known = f" ({self.cached:,} more answered before)" if self.cached else ""
        most = f", at most {self.tokens_most:,}" if self.tokens_most is not None else ""
        return (
            f"{_calls(self.calls)}{known} to model {self.model} at {self.where}: about"
            f" {self.tokens_in:,} tokens in and {self.tokens_out:,} out{most}. {self._in_money()}"
        )

    def _in_money(self) -> str:
        if self.cost is None:
            return "What that costs is not known: the endpoint has no prices."
        most = "without a bound" if self.cost_most is None else f"at most {self.cost_most:,.4f}"
        return f"At the endpoint's prices about {self.cost:,.4f}, {most}."


@dataclass(frozen=True)
class Cost:
    """What asking took: calls answered, and tokens as the server counted them.

    `counted` is false where it did not count every reply; the numbers are then too low. `price` is
    None where it did not, or where there are no prices.
    """

    calls: int
    cached: int
    tokens_in: int
    tokens_out: int
    counted: bool
    price: float | None

    @property
    def sentence(self) -> str:
        """All of it in words."""
        known = f", {self.cached:,} more answered before" if self.cached else ""
        tokens = f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out"
        if not self.counted:
            tokens += " (not all replies were counted by the server)"
        price = f", {self.price:,.4f} at the endpoint's prices" if self.price is not None else ""
        return f"{_calls(self.calls)} answered{known}: {tokens}{price}."


def estimated(
    endpoint: Endpoint, calls: Sequence[Call], cached: int, bytes_out: int, model: str
) -> Budget:
    """The budget of calls that are to be made; `bytes_out`: expected of all their replies."""
    tokens_in = sum(len(call.text.encode()) for call in calls) // BYTES_PER_TOKEN
    tokens_out = bytes_out // BYTES_PER_TOKEN
    most = None if endpoint.max_tokens is None else endpoint.max_tokens * len(calls)
    return Budget(
        len(calls),
        cached,
        tokens_in,
        tokens_out,
        most,
        _price(endpoint, tokens_in, tokens_out),
        None if most is None else _price(endpoint, tokens_in, most),
        endpoint.where,
        model,
    )


def counted(endpoint: Endpoint, replies: Sequence[Reply], cached: int) -> Cost:
    """The cost of replies that came."""
    whole = all(r.tokens_in is not None and r.tokens_out is not None for r in replies)
    tokens_in = sum(reply.tokens_in or 0 for reply in replies)
    tokens_out = sum(reply.tokens_out or 0 for reply in replies)
    price = _price(endpoint, tokens_in, tokens_out) if whole else None
    return Cost(len(replies), cached, tokens_in, tokens_out, whole, price)


def _price(endpoint: Endpoint, tokens_in: int, tokens_out: int) -> float | None:
    if endpoint.price_in is None or endpoint.price_out is None:
        return None
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6


def _calls(n: int) -> str:
    return f"{n:,} call{'' if n == 1 else 's'}"
