"""Small stand-ins for data sets that cannot be shipped: made-up pictures in the true layout of each release.

For tests, demonstrations and dry runs. The class of a picture shows in its colour and its figure, so that a small
network can learn it. Load them with `complete=False`.
"""

from hyperdml.data.miniatures.aircraft import make_aircraft
from hyperdml.data.miniatures.cifar100 import make_cifar100
from hyperdml.data.miniatures.nabirds import make_nabirds

__all__ = ["make_aircraft", "make_cifar100", "make_nabirds"]
