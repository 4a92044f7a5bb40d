"""Small stand-ins for data sets that cannot be shipped: made-up pictures in the true layout of each release.

For tests, demonstrations and dry runs. The class of a picture shows in its colour and its figure, so that a small
network can learn it. Load them with `complete=False`.
"""

from hyperdml.data.miniatures.aircraft import make_aircraft
from hyperdml.data.miniatures.cars import make_cars
from hyperdml.data.miniatures.cifar100 import make_cifar100
from hyperdml.data.miniatures.cub import make_cub
from hyperdml.data.miniatures.in_shop import make_in_shop
from hyperdml.data.miniatures.nabirds import make_nabirds
from hyperdml.data.miniatures.sop import make_sop

__all__ = ["make_aircraft", "make_cars", "make_cifar100", "make_cub", "make_in_shop", "make_nabirds", "make_sop"]
