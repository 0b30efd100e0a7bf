"""Checkpoints: which are kept, and the work for each."""

import torch

from speechbrain_lmac.training.checkpointer import AtomicCheckpointer


def test_checkpointer_keeps_best_and_last(tmp_path):
    """The best checkpoint is recovered, and torn checkpoints are removed."""
    decoder = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"decoder": decoder})
    torn = tmp_path / "CKPT+torn"
    torn.mkdir()
    (torn / "decoder.ckpt").write_bytes(b"half")
    for score in (1.0, 3.0, 2.0):
        torch.nn.init.constant_(decoder.weight, score)
        checkpointer.save_and_keep_only({"score": score}, max_keys=["score"])
    assert sorted(c.meta["score"] for c in checkpointer.list_checkpoints()) == [2.0, 3.0]
    assert len(list(tmp_path.iterdir())) == 2
    checkpointer.recover_if_possible(max_key="score")
    assert (decoder.weight == 3).all()


def test_checkpointer_reads_each_order_once(tmp_path, monkeypatch):
    """The work per checkpoint does not grow with the number of earlier checkpoints."""
    checkpointer = AtomicCheckpointer(tmp_path, {"decoder": torch.nn.Linear(2, 2)})
    listed, list_checkpoints = [], AtomicCheckpointer.list_checkpoints
    monkeypatch.setattr(
        AtomicCheckpointer,
        "list_checkpoints",
        lambda self: listed.append(self) or list_checkpoints(self),
    )
    for _ in range(3):
        checkpointer.save_and_keep_only({"score": 1.0}, max_keys=["score"])
    assert len(listed) == 3 * 2  # by score, and by time
