"""Which texts stand behind which soft prompt, and which removable adapter is on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from sapo_analysis.learning.members import Member
from sapo_analysis.learning.token_drop import TokenDrop
from sapo_analysis.methods.recipe import Recipe
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.contexts import own_places
from sapo_analysis.studies.composed.parts import Parts


class Standing:
    """Puts the texts of a task behind what is on for it.

    What is always on is on for every text. What is removable is on for the task that it was trained
    on: the one that is being learned, and each of those learned before with its own.
    """

    def __init__(self, recipe: Recipe, parts: Parts, begun: Sequence[Begun]):
        self._recipe, self._parts, self._begun = recipe, parts, begun
        # Of each fine-tune, by what is read before the answer: the number of the training row.
        self._trained: list[dict[tuple[int, ...], int]] = [{} for _ in begun]

    def rows(self, k: int, task: str, rows: Sequence[Encoded]) -> Sequence[Encoded]:
        """A task's rows as fine-tune k reads them."""
        if self._recipe.always_on or task == self._begun[k].task.name:
            return self._parts.behind(k, rows)
        if task in self._parts.earlier[k]:
            return self._parts.behind(k, rows, task)
        return rows

    def of_all(self, task: str, rows: Sequence[Sequence[Encoded]]) -> list[Sequence[Encoded]]:
        """`rows` of each fine-tune."""
        return [self.rows(k, task, own) for k, own in enumerate(rows)]

    def scored(self, k: int, rows: Sequence[Encoded]) -> Sequence[Encoded]:
        """Rows of a task that nothing was trained on yet: behind what is always on alone."""
        return self._parts.behind(k, rows) if self._recipe.always_on else rows

    def member(self, k: int, member: Member) -> Member:
        """A fine-tune as it is read: each row behind what is on for it, mixed ones in all rows.

        Behind a context its rows are the first training rows of its task, in file order, and do not
        see all of it: see `Context`.
        """
        own = self._begun[k].task.name
        mixed = [row for task, rows in member.mixed for row in self.rows(k, task, rows)]

        def read(rows: Sequence[Encoded]) -> list[Encoded]:
            return [*self._left_out(k, self.rows(k, own, rows)), *mixed]

        self._trained[k] = {tuple(row.context): i for i, row in enumerate(member.rows)}
        drawn, dev, context = member.drawn, member.dev, self._recipe.context
        changed = member.changed
        if context is not None and context.token_drop:
            assert self._parts.tokens is not None, "contexts are virtual tokens"
            changed = TokenDrop(self._parts.tokens.first, context.token_drop)
        static = 0
        if context is not None and self._recipe.has("prefix"):
            # The virtual tokens of a prefix have their keys and values, whatever they would see.
            static = len(self._parts.contexts[k].head) + len(self._parts.contexts[k].ids)
        return replace(
            member,
            changed=changed,
            static=static,
            rows=read(member.rows),
            drawn=drawn and replace(drawn, variants=[read(rows) for rows in drawn.variants]),
            mixed=(),
            dev=dev and replace(dev, rows=self.rows(k, own, dev.rows)),
        )

    def again(self, k: int, rows: Sequence[Encoded]) -> Sequence[Encoded]:
        """Training rows in any order and with any answers, as fine-tune k is trained on them.

        Of a context each sees what it sees in training, without TokenDrop.
        """
        behind = self.rows(k, self._begun[k].task.name, rows)
        known = self._trained[k]
        return self._left_out(k, behind, [known.get(tuple(row.context)) for row in rows])

    def _left_out(
        self, k: int, rows: Sequence[Encoded], numbers: Sequence[int | None] | None = None
    ) -> Sequence[Encoded]:
        """Training rows behind a context without the demonstrations that have their own input.

        `numbers`: of the rows, in the task's file; None: of a row that is not trained on. Default:
        in order from 0.
        """
        if self._recipe.context is None or not self._recipe.context.leave_one_out:
            return rows
        context, one = self._parts.contexts[k], self._begun[k]
        n = len(context.head)
        return [
            row if i is None else row.without({n + place for place in own_places(context, one, i)})
            for row, i in zip(rows, range(len(rows)) if numbers is None else numbers, strict=True)
        ]

    @contextmanager
    def on_for(self, task: str | None) -> Iterator[None]:
        """Let each fine-tune's removable adapter be the one of a task, or none, for the block.

        None: of a task that nothing was trained on yet.
        """
        first = self._parts.by_name.get("first-lora")
        if first is None:
            yield
            return
        values = first.values
        with torch.no_grad():
            trained = values.clone()
            for k, one in enumerate(self._begun):
                if one.task.name != task:
                    found = None if task is None else self._parts.earlier[k].get(task)
                    values[k] = 0.0 if found is None else found.to(values)
        try:
            yield
        finally:
            with torch.no_grad():
                values.copy_(trained)
