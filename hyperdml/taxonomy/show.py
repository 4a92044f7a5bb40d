"""A taxonomy as lines of text."""

from __future__ import annotations

from hyperdml.taxonomy.structure import Structure


def tree_text(taxonomy: Structure, max_depth: int | None, max_children: int | None) -> str:
    """See `Taxonomy.show`.

    Raises:
        ValueError: a limit is negative.
    """
    for name, value in (("max_depth", max_depth), ("max_children", max_children)):
        if value is not None and value < 0:
            raise ValueError(f"{name} must be 0 or more, or None, got {value}")
    leaf_counts, child_counts = taxonomy.leaf_closure.counts, taxonomy.children.counts
    lines: list[str] = []
    shown: set[int] = set()
    # what stands before the node and before its children, the node, its depth; without a node the line as it is
    stack: list[tuple[str, str, int | None, int]] = [("", "", int(root), 0) for root in taxonomy.roots[::-1]]
    while stack:
        before, below, node, depth = stack.pop()
        if node is None:
            lines.append(before)
            continue
        inner = node >= taxonomy.num_leaves
        line = before + taxonomy.names[node]
        if inner:
            line += f" ({_count(int(leaf_counts[node]), 'leaf', 'leaves')})"
        if node in shown and inner:
            lines.append(f"{line}, shown above")
            continue
        shown.add(node)
        if inner and max_depth is not None and depth >= max_depth:
            line += f", {_count(int(child_counts[node]), 'child', 'children')} not shown"
        lines.append(line)
        if not inner or (max_depth is not None and depth >= max_depth):
            continue
        # in the order of the labels: by the first leaf below
        children = sorted(taxonomy.children.row(node).tolist(), key=lambda child: taxonomy.leaf_closure.row(child)[0])
        kept = children if max_children is None else children[:max_children]
        entries: list[tuple[str, str, int | None, int]] = [
            (f"{below}├── ", f"{below}│   ", child, depth + 1) for child in kept
        ]
        if len(kept) < len(children):
            entries.append((f"{below}└── ... {len(children) - len(kept)} more", "", None, 0))
        else:
            entries[-1] = (f"{below}└── ", f"{below}    ", kept[-1], depth + 1)
        stack += reversed(entries)
    return "\n".join(lines)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
