"""CIFAR-100: twenty superclasses of five classes."""

from __future__ import annotations

from hyperdml.taxonomy.taxonomy import Taxonomy

# names as in the field coarse_label_names and fine_label_names of the release's `meta`
_CLASSES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def cifar100(*, virtual_root: bool | str = False) -> Taxonomy:
    """Superclasses and classes of CIFAR-100 under the names of the release; labels are those of `fine_labels`.

    120 nodes, or 121 with a virtual root; the release has none.

    Args:
        virtual_root: see `Taxonomy.from_edges`.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Example:
        >>> taxonomy = cifar100()
        >>> taxonomy.leaves[:3], len(taxonomy)
        (('apple', 'aquarium_fish', 'baby'), 120)
    """
    edges = [(coarse, fine) for coarse, classes in _CLASSES.items() for fine in classes.split()]
    return Taxonomy.from_edges(edges, sorted(fine for _, fine in edges), virtual_root=virtual_root)
