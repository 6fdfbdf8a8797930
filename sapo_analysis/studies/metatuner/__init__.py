"""MetaTuner (small), experimental: one model chooses the prompt of each text and writes its LoRA.

A reconstruction (methods §6) of MetaTuner at the size of one small language model. For an initial
prompt p̃ (the one a trial trains with) and an input x, the first decoder layers, with adapters of
their own that are on only then, read (p̃, x) up to the answer; h is the mean of their hidden states.
From h a policy head chooses one of the task's candidate prompts, and a parameter decoder writes a
LoRA. The actor is the same model, frozen, with that LoRA: it reads x under the chosen prompt.

Main loss: the actor's, by the adapters of the shared layers and the decoder. Supervised loss: that
of the head's choice against p*, the candidate under which the frozen actor's loss of the answer is
lowest, by the same adapters and the head. In the main loss a copy of the head chooses, brought up
to date now and then, so nothing of that loss reaches the head.

What differs from the paper, as far as it is known:
- One small model is prompt generator, parameter generator and actor; there a 7B model writes
  prompts and LoRA for a 3B one.
- A prompt is not written: it is chosen among the study's wordings of the task, and p* is the best
  of all of them, not of m prompts that were drawn. It starts at p̃, for no head is warmed up.
- Only adapters of the shared layers are trained, and nothing is trained before.
- h is the mean over the read tokens, brought to a root mean square of 1.
- The layers above the shared ones have no part in choosing: the head is linear, on h less its mean
  over the labelled rows before training, in units of how these differ.
- `-I` and `-J` are `metatuner` and `metatuner-joint`: an update by each loss in turn, or one by
  their sum. With no other numbers at hand, rank, sizes, rates, α and intervals are this project's.
- On tasks that it did not learn there are no candidates: their own test prompt is read, with the
  LoRA that is written from it. What the method forgets, it forgets there.
"""
