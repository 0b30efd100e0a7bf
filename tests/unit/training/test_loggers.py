"""Loggers of a training run."""

from speechbrain_lmac.training import loggers


def test_train_loggers_add_tensorboard(monkeypatch):
    """The file logger is always first; older settings files have no TensorBoard."""
    monkeypatch.setattr(loggers, "TensorboardLogger", lambda folder: f"tensorboard in {folder}")
    settings = {"train_logger": "file", "tensorboard_logs_folder": "logs"}
    assert loggers.train_loggers(settings) == ["file"]
    assert loggers.train_loggers({**settings, "use_tensorboard": False}) == ["file"]
    wanted = loggers.train_loggers({**settings, "use_tensorboard": True})
    assert wanted == ["file", "tensorboard in logs"]
