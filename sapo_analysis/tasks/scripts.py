"""Scripts that put no spaces between words, in which counting by white space says nothing."""

from __future__ import annotations

import re

UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, kana, Han. For a class of characters."""
UNSPACED_CHARACTER = re.compile(f"[{UNSPACED}]")
