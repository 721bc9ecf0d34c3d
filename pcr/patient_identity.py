"""Whether the headers of one study can be of one patient, however different programs write her identity."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

_SEPARATORS = re.compile(r"[\^=\s]+")
# Five components of 64 characters (PS3.5 6.2, PN).
_MAX_NAME = 5 * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """Family and given name of the first component group that is not blank, folded; and all its words."""

    family: str
    given: str
    words: str


def contradiction(headers: Iterable[Dataset]) -> str | None:
    """What says that headers are of several patients, in words that name none of them; None where nothing does.

    A blank value contradicts nothing where another header has one. Names are compared among the MR images, and of
    objects that have no PatientID; a name that differs is not believed against an ID and a birth date that agree.
    """
    headers = list(headers)
    ids = _values(headers, "PatientID")
    if len(ids) > 1:
        return f"instances of {len(ids)} different PatientIDs"
    births = {re.sub(r"\D", "", birth) for birth in _values(headers, "PatientBirthDate")} - {""}
    if len(births) > 1:
        return "instances with different birth dates"
    if ids and births:
        return None
    identifying = [h for h in headers if h.get("Modality") == "MR" or not _folded(h.get("PatientID"))]
    names = [_name(text) for text in sorted({str(h.get("PatientName") or "")[:_MAX_NAME] for h in identifying})]
    if _are_of_one([name for name in names if name.words], one_id=bool(ids)):
        return None
    return "images with different PatientNames" if ids else "instances without PatientID and with different names"


def _values(headers: Sequence[Dataset], keyword: str) -> set[str]:
    return {_folded(header.get(keyword)) for header in headers} - {""}


def _folded(value: object) -> str:
    """Without case, accents and whatever separates words."""
    plain = unicodedata.normalize("NFKD", str(value or "").replace("\0", " ")).casefold()
    return _SEPARATORS.sub(" ", "".join(c for c in plain if not unicodedata.combining(c))).strip()


def _name(text: str) -> _Name:
    group = next((group for group in text.split("=") if group.strip("^ \0")), "")
    family, _, rest = group.partition("^")
    return _Name(family=_folded(family), given=_folded(rest.partition("^")[0]), words=_folded(group))


def _are_of_one(names: Sequence[_Name], *, one_id: bool) -> bool:
    """Whether all names are variants of the fullest of them; names in other scripts can not be compared."""
    fullest: dict[bool, _Name] = {}
    for name in sorted(names, key=lambda n: len(n.words), reverse=True):
        if not _are_variants(name, fullest.setdefault(name.words.isascii(), name), one_id=one_id):
            return False
    return True


def _are_variants(one: _Name, other: _Name, *, one_id: bool) -> bool:
    if _begins(one.words, other.words):
        return True
    if not _begins(one.given, other.given):
        return False
    # Who marries keeps her PatientID and her given name.
    married = one_id and bool(one.given and other.given)
    shared = set(re.findall(r"\w+", one.family)) & set(re.findall(r"\w+", other.family))
    return married or bool(shared) or _begins(one.family, other.family)


def _begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
