"""Emoji drawn by several vendors: images with a class tree, free to ship, no download.

`load_emoji` reads the bundled set, `split_classes` holds classes out; `hyperdml.data.emoji.build` draws the
sets anew. NOTICE.md in this folder names the authors and licences of the drawings.
"""

from hyperdml.data.emoji.dataset import EmojiDataset, load_emoji
from hyperdml.data.emoji.split import ClassSplit, split_classes

__all__ = ["ClassSplit", "EmojiDataset", "load_emoji", "split_classes"]
