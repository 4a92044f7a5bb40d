"""In-Shop Clothes Retrieval: gender, category and item, from the paths of the images."""

from __future__ import annotations

from pathlib import Path

from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish, rows
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.taxonomy import Taxonomy


def in_shop(folder: Path, *, complete: bool = True, virtual_root: bool | str = False) -> Taxonomy:
    """Genders, categories and items of In-Shop Clothes Retrieval, of its training and test part together.

    Categories are called as their folders, "WOMEN/Dresses", items by their `item_id`; labels follow the ascending ids.
    An item with images in several categories has several parents.

    Args:
        folder: with `list_eval_partition.txt`, or `Eval/list_eval_partition.txt`.
        complete: other counts than 7,982 items of 2 genders are an error.
        virtual_root: see `Taxonomy.from_edges`.

    Raises:
        DataError: the file is missing or broken, or counts differ; the message names the line.

    Source: Liu et al., DeepFashion, CVPR 2016.
    """
    return finish(lambda: in_shop_draft(Path(folder), Wanted()), folder, complete, virtual_root, "keep")


def in_shop_draft(folder: Path, wanted: Wanted) -> Draft:
    """What the list (image_name, item_id, evaluation_status) says: img/WOMEN/Dresses/id_00000002/02_1_front.jpg."""
    listed = find_file(
        folder, "list_eval_partition.txt", "Eval/list_eval_partition.txt", "Inshop_Clothes/Eval/list_eval_partition.txt"
    )
    terms = Terms()
    edges: set[tuple[str, str]] = set()
    items: set[str] = set()
    stated: int | None = None
    images = 0

    def below(above: str | None, node: str, line: int) -> None:
        if node not in terms:
            terms.add(node, node, line)
        if above is not None and (above, node) not in edges:
            edges.add((above, node))
            terms.link(above, node, line)

    for line, cells in rows(listed, 1):
        words = cells[0].split()
        if len(words) == 1 and stated is None and words[0].isdecimal():
            stated = int(words[0])
        elif words[0] != "image_name":
            parts = words[0].split("/")
            if len(words) != 3 or len(parts) < 5 or parts[3] != words[1]:
                terms.fault(line, f"expected img/GENDER/CATEGORY/ITEM/IMAGE, ITEM and a part, got {cells[0][:80]!r}")
                continue
            images += 1
            gender, category, item = parts[1], f"{parts[1]}/{parts[2]}", parts[3]
            below(None, gender, line)
            below(gender, category, line)
            below(category, item, line)
            items.add(item)
    genders = {gender for gender, _ in edges if "/" not in gender}
    counts = {"items": (len(items), 7982), "genders": (len(genders), 2)}
    if stated is not None:
        counts["images (so its first line says)"] = (images, stated)
    return terms.draft(wanted, count_notes("In-Shop", counts), sorted(items))
