"""Which icon of a vendor draws which emoji."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hyperdml.data.emoji.sources import Emoji, IconSet, slug


def candidate_names(emoji: Emoji, trusted: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Icon names that an emoji may carry, the most trusted first.

    Nicknames of chat programs are not used: there 'cat' is the face of U+1F431 as well as the body of
    U+1F408.

    Args:
        emoji: the emoji.
        trusted: icon name by code-point key of the sets that list code points, most trusted first.
    """
    listed = [chars[emoji.key] for chars in trusted if emoji.key in chars]
    names = [*listed, slug(emoji.name), slug(emoji.unicode_name)]
    return tuple(dict.fromkeys(name for name in names if name))


def match_icons(emoji: Sequence[Emoji], icons: IconSet, trusted: Sequence[Mapping[str, str]]) -> dict[int, str]:
    """Icon of each emoji that the vendor draws; an icon belongs to one emoji only.

    A set that lists code points is matched by them. Any other is matched by name, one rank of trust after
    another over all emoji, so that a less trusted name never takes the icon of an emoji whose better name
    it is. Aliases come after all the icons' own names: old sets call the sport 'cricket-game' and keep
    'cricket', today the insect, as an alias of it.

    Args:
        emoji: emoji in the order in which they may claim an icon.
        icons: drawings of the vendor.
        trusted: as in `candidate_names`.

    Returns:
        Icon name by index into `emoji`.
    """
    known = [(index, one) for index, one in enumerate(emoji) if one.added_in <= icons.newest]
    if icons.chars:
        claims = [(index, icons.chars[one.key]) for index, one in known if one.key in icons.chars]
    else:
        names = [(index, candidate_names(one, trusted)) for index, one in known]
        depth = max((len(candidates) for _, candidates in names), default=0)
        claims = [
            (index, candidates[rank]) for rank in range(depth) for index, candidates in names if rank < len(candidates)
        ]
    own = [(index, name) for index, name in claims if name in icons.svgs]
    renamed = [(index, icon) for index, name in claims if (icon := icons.resolve(name)) not in (None, name)]
    matched: dict[int, str] = {}
    taken: set[str] = set()
    for index, icon in [*own, *renamed]:
        if index not in matched and icon not in taken:
            matched[index] = icon
            taken.add(icon)
    return matched
