"""Taxonomies of the data sets of the field, from the files of their releases."""

from hyperdml.taxonomy.datasets.aircraft import fgvc_aircraft
from hyperdml.taxonomy.datasets.cars import cars
from hyperdml.taxonomy.datasets.cifar100 import cifar100
from hyperdml.taxonomy.datasets.cub import cub
from hyperdml.taxonomy.datasets.in_shop import in_shop
from hyperdml.taxonomy.datasets.inaturalist import inaturalist
from hyperdml.taxonomy.datasets.nabirds import nabirds
from hyperdml.taxonomy.datasets.sop import sop

__all__ = ["cars", "cifar100", "cub", "fgvc_aircraft", "in_shop", "inaturalist", "nabirds", "sop"]
