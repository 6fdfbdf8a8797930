"""A stop is heard also where Python drops the exception it raises, and raised once where it works.

Each case is a process of its own, as signals and timers are.
"""

import signal
import subprocess
import sys
import textwrap

import pytest

BEGIN = """
    import sys, time
    from sapo_analysis import stop_signal
    stop_signal.PATIENCE_SECONDS = 0.1
    stop_signal.unwind_on_termination()

    def ready():
        print("ready", flush=True)
"""


def stopped(script):
    """(exit status, standard output) of a script that is sent SIGTERM when it says it is ready."""
    command = [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(script)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out


@pytest.mark.parametrize(
    "script",
    [
        """
        ready()
        time.sleep(20)
        """,
        """
        class Slow:
            def __del__(self):
                ready()
                time.sleep(0.3)  # what is raised here is dropped

        Slow()
        time.sleep(20)
        """,
    ],
    ids=["at work", "in a destructor"],
)
def test_it_ends_the_process_as_shells_report_it(script):
    assert stopped(script) == (143, "")


def test_what_unwinds_is_left_to_end_in_peace():
    script = """
    class Saving:
        def __enter__(self): pass
        def __exit__(self, *error):
            time.sleep(0.5)
            print("saved", flush=True)

    with Saving():
        try:
            ready()
            time.sleep(20)
        finally:
            time.sleep(0.5)
            print("cleaned", flush=True)
    """
    assert stopped(script) == (143, "cleaned\nsaved\n")
