"""A run that trains otherwise than the paper, from phantoms to tables: what its reader is told of it."""

from pnetkit.files import read_json
from pnetkit.store.store import Store
from pnetkit.training.watch import from_csv

SETTINGS = (
    'phases=["venous"]',
    "training.iterations=8",
    "training.optimizer=adamw",
    "training.learning_rate=0.01",
    "training.schedule=cosine",
    "training.warmup_iterations=2",
    "training.decay=weights",
    "training.loss=dice-cross-entropy",
    "training.accumulation=2",
    "training.average_decay=0.9",
    "training.gradient_checkpointing=true",
    "training.watch={patients: 1, patches: 2, every: 4}",
)


def test_a_run_with_modern_settings_says_what_was_trained_and_what_was_held_back(tiny):
    result = tiny(sets=SETTINGS, report=True)
    out, record = tiny.folder / "out", read_json(tiny.folder / "out" / "run.json")
    trainings = [of for of in record["stages"] if of["stage"] == "train"]
    store = Store(tiny.folder / "store")
    assert len(trainings) == 2
    for of in trainings:
        folder = next((tiny.folder / "store" / "train").glob(f"{of['key'][:32]}*"))
        seen = from_csv((folder / "watched.csv").read_text())
        assert [point.iteration for point in seen] == [4, 8]
        assert all(point.loss is not None for point in seen)
        details = store.record("train", of["key"])["details"]
        assert details["weights"] == "an exponential moving average of the weights (decay 0.9)"
    assert not result.failed
    assert "What is tested of each network is an exponential moving average" in (out / "tables.md").read_text()
    page = (out / "report.html").read_text()
    assert "Held-back cases: venous" in page
    assert "by AdamW (largest learning rate 0.01, weight decay 0.0005 (none of norms and biases), seed 0)" in page
