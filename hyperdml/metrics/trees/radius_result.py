"""What the radius report found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from hyperdml.metrics.trees.nulls import verdict

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
_MOSTLY = 0.95
_ALL = 0.9995


@dataclass(frozen=True)
class RadiusReport:
    """What `radius_report` found; radii are hyperbolic distances to the origin.

    Attributes:
        clipped_fraction: share of embeddings at the clip radius; None without `clip_r`.
        embedding_radius: the quantiles `QUANTILES` of the embeddings' radii.
        proxy_radius: the same of the proxies; None without proxies.
        proxy_radius_std: standard deviation of the proxies' radii; None without proxies.
        origin_lca_fraction: share of pairs of embeddings for which the origin beats every proxy as lowest common
            ancestor; None without proxies.
        origin_lca_fraction_same_label: the same over pairs that share a label; None without proxies or labels.
        proxies: number of proxies; None without proxies.
        used_proxies: how many of them are nearest to some embedding; None without proxies.
        usage_entropy: entropy of the nearest proxy as a share of log P, 1 if all are used equally; None without
            proxies.
        pair_lca_radius: mean radius of the best common ancestor among the proxies (the origin is none of them) of
            pairs that share a label; None without proxies or such pairs.
        triple_lca_radius: the same of these pairs and a third embedding drawn at random. In a tree it lies nearer the
            origin.
        nmi: normalised mutual information of nearest proxy and label; None without proxies or labels.
        random_nmi: mean of the same for proxies in random directions at the same radii.
        random_nmi_sd: its standard deviation over the draws.
    """

    clipped_fraction: float | None
    embedding_radius: tuple[float, ...]
    proxy_radius: tuple[float, ...] | None
    proxy_radius_std: float | None
    origin_lca_fraction: float | None
    origin_lca_fraction_same_label: float | None
    proxies: int | None = None
    used_proxies: int | None = None
    usage_entropy: float | None = None
    pair_lca_radius: float | None = None
    triple_lca_radius: float | None = None
    nmi: float | None = None
    random_nmi: float | None = None
    random_nmi_sd: float | None = None

    def lines(self) -> list[str]:
        """The report in plain words, one sentence or figure a line."""
        out = [f"embedding radius: {_figures(self.embedding_radius)}"]
        if self.clipped_fraction is not None:
            out.append(f"clipped embeddings: {self.clipped_fraction:.1%}")
            if self.clipped_fraction >= _MOSTLY:
                whole = "The images" if self.clipped_fraction >= _ALL else "Nearly all images"
                out.append(
                    f"{whole} lie on one sphere around the origin: there hyperbolic and cosine ranking agree, and only "
                    "proxies carry radii."
                )
        if self.proxy_radius is not None:
            out.append(f"proxy radius: {_figures(self.proxy_radius)}, standard deviation {self.proxy_radius_std:.3f}")
        if self.origin_lca_fraction is not None:
            out.append(f"pairs whose best common ancestor is the origin: {self.origin_lca_fraction:.1%}")
        if self.origin_lca_fraction_same_label is not None:
            out.append(f"the same among pairs of one label: {self.origin_lca_fraction_same_label:.1%}")
        if self.origin_lca_fraction is not None and self.origin_lca_fraction >= _MOSTLY:
            within = self.origin_lca_fraction_same_label
            out.append(
                "For nearly every pair the origin beats every proxy as common ancestor: the proxies hold no tree."
                if within is None or within >= _MOSTLY
                else "Proxies are ancestors within labels; above these the origin beats them for nearly every pair."
            )
        return out + self._use()

    def _use(self) -> list[str]:
        """What the proxies are used for."""
        out = []
        if self.proxies is not None:
            out.append(
                f"proxies that are nearest to some embedding: {self.used_proxies} of {self.proxies}, entropy of their "
                f"use {self.usage_entropy:.2f} (1: all alike)"
            )
        if self.pair_lca_radius is not None and self.triple_lca_radius is not None:
            out.append(
                f"mean radius of the best ancestor among the proxies: {self.pair_lca_radius:.3f} for pairs of one "
                f"label, {self.triple_lca_radius:.3f} with a third embedding drawn at random"
            )
        if self.nmi is not None and self.random_nmi is not None and self.random_nmi_sd is not None:
            out.append(
                f"nearest proxy and label, NMI: {self.nmi:.3f}; proxies in random directions {self.random_nmi:.3f} ± "
                f"{self.random_nmi_sd:.3f}: {verdict(self.nmi, self.random_nmi, self.random_nmi_sd)}"
            )
        return out


def _figures(quantiles: tuple[float, ...]) -> str:
    names = ("least", "10%", "median", "90%", "largest")
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(names, quantiles, strict=True))
