"""Emoji drawn by several vendors: images with a class tree, free to ship, no download.

`load_emoji` reads the bundled set; `hyperdml.data.emoji.build` draws the
sets anew. NOTICE.md in this folder names the authors and licences of the drawings.
"""

from hyperdml.data.emoji.dataset import EmojiDataset, load_emoji

__all__ = ["EmojiDataset", "load_emoji"]
