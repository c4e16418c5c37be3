"""Sites with ordinary pages, as a crawler brings them home."""

from __future__ import annotations

from random import Random

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of

N_PAGES = 2_000
N_DOMAINS = 60


def _words(text: str) -> list[str]:
    return text.split("|")


_THINGS = _words(
    "bicycle|bakery|harbour|museum|orchard|library|clinic|station|theatre|garden|workshop|market|"
    "bridge|castle|school|forest|festival|kitchen|engine|telescope"
)
_ACTS = _words(
    "opened|repaired|measured|painted|closed|visited|described|sold|planted|cleaned|built|moved|"
    "restored|explained|compared|counted|tested|recorded"
)
_KINDS = _words(
    "small|old|quiet|new|local|busy|wooden|public|famous|careful|narrow|bright|modest|northern|"
    "open|annual"
)
_TIMES = _words(
    "in spring|last year|on Monday|during the winter|after the storm|every morning|"
    "for ten years|before noon|in 1987|at the weekend"
)
_MENU = "<nav style='display:none'><a href='/'>Home</a> <a href='/about'>About us</a></nav>"
_SHARE = "<div hidden>Share this page with friends</div><script>var seen = 1;</script>"


def sentence(rng: Random) -> str:
    """A plain sentence that hardly ever comes twice."""
    kind, other = rng.choice(_KINDS), rng.choice(_KINDS)
    return (
        f"The {kind} {rng.choice(_THINGS)} was {rng.choice(_ACTS)} by {rng.randint(2, 90)} "
        f"{other} people near the {rng.choice(_THINGS)} {rng.choice(_TIMES)}."
    )


def page(rng: Random, body: str = "", *, n_sentences: int = 12) -> str:
    """An ordinary page with a folded menu, a script and emoji; ``body`` stands in its middle."""
    said = [sentence(rng) for _ in range(rng.randint(n_sentences // 2, n_sentences))]
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467" if rng.random() < 0.1 else ""  # noqa: PLR2004 - some
    half = len(said) // 2
    return (
        f"<!doctype html><html><head><title>{said[0][:30]}</title></head><body>{_MENU}"
        f"<p>{' '.join(said[:half])} {family}</p>{body}<p>{' '.join(said[half:])}</p>{_SHARE}"
        "</body></html>"
    )


def crawl(seed: int, n_pages: int = N_PAGES) -> Dataset:
    """Pages of many domains, large and small ones."""
    import pyarrow as pa

    rng = Random(seed)
    weights = [1 / (place + 8) for place in range(N_DOMAINS)]
    domains = rng.choices(
        [f"site{place}.example" for place in range(N_DOMAINS)], weights, k=n_pages
    )
    pages = [page(rng) for _ in range(n_pages)]
    batch = pa.record_batch({"page": pages, "domain": domains})
    return table_of(f"crawl-{seed}", [batch], source="domain")
