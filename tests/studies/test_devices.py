"""Which device there is, in this process."""

from sapo_analysis.studies import devices


def test_a_gpu_that_a_cpu_build_cannot_use_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(devices.torch.version, "cuda", None)
    monkeypatch.setattr(devices, "_listed_by_the_driver", lambda: ["GPU 0: Fast One"])
    answer = devices._unused("2.13.0+cpu")
    assert answer["unused_gpus"] == ["GPU 0: Fast One"]
    assert "torch==2.13.0" in answer["mend"] or "torch 2.13.0" in answer["mend"]
    monkeypatch.setattr(devices, "_listed_by_the_driver", list)
    assert devices._unused("2.13.0+cpu") == {"unused_gpus": [], "mend": ""}
