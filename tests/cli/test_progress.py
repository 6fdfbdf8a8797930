"""How long a run takes yet, as its progress on standard error tells it."""

from sapo_analysis.cli.progress import StudyProgress, left_in_words
from sapo_analysis.store.status import Status


def test_what_is_left_is_counted_down_within_a_group():
    status = Status(state="running", done=2, total=10, seconds=100.0, done_at=100.0)
    told = [
        left_in_words(status.model_copy(update={"seconds": seconds}))
        for seconds in (100.0, 200.0, 495.0, 600.0)
    ]
    assert told == [" · about 7 min left", " · about 5 min left", " · a few seconds left", ""]


def test_a_line_tells_it(tmp_path, capsys):
    with StudyProgress() as progress:
        progress(tmp_path, Status(state="running", done=1, total=3, seconds=60.0, done_at=30.0))
    assert "1 of 3 trials · running · about 30 s left" in capsys.readouterr().err
