"""A badge as an SVG image: a name on the left, how its last run stands on the right, in words and in colour."""

from __future__ import annotations

import re
import unicodedata
from html import escape

_COLOURS = {"good": "#1a7a4a", "bad": "#b3261e", "live": "#1f5fc4", "warn": "#8a5800", "idle": "#56606d"}
"""Of those a white text can be read on; each stands beside the word that says the same."""
_NARROW, _WIDE = frozenset("fijlrt|!.,:;'()[]{} 1I"), frozenset("mwMW%@")
LONGEST = 60
"""Characters of a name that are shown."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\t\n\r]")


def badge(name: str, said: str, tone: str) -> bytes:
    """The badge; `tone` is one of the pages' tones."""
    left = _NOT_XML.sub(" ", name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…").strip() or "(no name)"
    right = _NOT_XML.sub(" ", said)
    first, second = _width(left), _width(right)
    whole = first + second + 40
    label = escape(f"{left}: {right}")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{label}">\
<title>{label}</title>\
<clipPath id="r"><rect width="{whole}" height="20" rx="4"/></clipPath>\
<g clip-path="url(#r)"><rect width="{first + 20}" height="20" fill="#3b434e"/>\
<rect x="{first + 20}" width="{second + 20}" height="20" fill="{_COLOURS[tone]}"/></g>\
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">\
<text x="10" y="14" textLength="{first}" lengthAdjust="spacingAndGlyphs">{escape(left)}</text>\
<text x="{first + 30}" y="14" textLength="{second}" lengthAdjust="spacingAndGlyphs">{escape(right)}</text></g></svg>
""".encode()


def _width(text: str) -> int:
    """Pixels that the text takes at 11 pixels' height, as Verdana has it."""
    return max(1, round(sum(map(_character, text))))


def _character(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0.0
    if unicodedata.east_asian_width(sign) in "WF":
        return 11.5
    if sign in _NARROW:
        return 4.2
    return 10.2 if sign in _WIDE else 7.9 if sign.isupper() else 6.7
