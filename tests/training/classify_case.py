"""A small classification run, shared by the tests of classification."""

from functools import cache

import numpy as np

from hyperdml.data.classification import ClassificationDataConfig, ClassificationSplits, load_classification
from hyperdml.training.classify.parts import Parts
from hyperdml.training.classify.train import start_classifier, train_classifier
from hyperdml.training.settings import config_from_dict


class Quiet:
    """Progress that tells nobody, and keeps the messages."""

    def __init__(self):
        self.messages, self.titles = [], []

    def message(self, text):
        self.messages.append(text)

    def start(self, title, total):
        self.titles.append((title, total))

    def advance(self, count, figures):
        pass

    def end(self):
        pass


def config(**changes):
    values = {
        "task": "classification",
        "checkpoint_every": 1000,
        "data": {"subset": "tiny", "image_size": 32},
        "crop": {"kind": "affine"},
        "model": {"backbone": "test_efficientnet", "drop_rate": 0.1},
        "loss": {"name": "hace", "dilution": 0.5},
        "optim": {"epochs": 2, "batch_size": 32, "lr": 0.05},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return config_from_dict(values, "test")


@cache
def few_images():
    """Every fifth training image and every third test image of the tiny set: three batches of 32."""
    whole = load_classification(ClassificationDataConfig(subset="tiny"))
    train, test = (part.select(np.arange(0, len(part), step)) for part, step in ((whole.train, 5), (whole.test, 3)))
    return ClassificationSplits(train, test, whole.taxonomy)


def trained(settings, splits, folder, **hooks):
    """The classifier after a run of `train_classifier`, with its features cached beside the checkpoints."""
    parts = Parts(settings, splits, folder.parent / "features", Quiet())
    model = start_classifier(settings, splits.taxonomy).to(parts.device)
    train_classifier(settings, parts, model, folder, **hooks)
    return model


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}
