import subprocess
import sys

import pytest

from sapo_analysis.bench.peak_memory import forget_peak
from sapo_analysis.studies.meter import peak_bytes

MEBI = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_the_peak_counts_from_where_it_was_forgotten():
    big = bytearray(b"x") * (200 * MEBI)
    held = peak_bytes()
    assert held > 200 * MEBI
    del big
    forget_peak()
    assert peak_bytes() < held - 100 * MEBI


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the usual counter is taken")
def test_a_process_does_not_start_at_its_parents_peak():
    code = """
import subprocess, sys
big = bytearray(b"x") * (1500 << 20)
child = "from sapo_analysis.studies.meter import peak_bytes; print(peak_bytes())"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 50 * MEBI < int(done.stdout) < 1400 * MEBI
