"""What the cards of exported and of shipped models have in common."""

from pathlib import Path

from compress.common.run_folder import CANDIDATES, RECORDS
from compress.core.candidate import Candidate
from compress.results.records import Record, read_records
from teachers.licence import Licence

_HUB_NAMES = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc0-1.0", "gpl-3.0")


def own_record(candidate: Candidate, folder: Path) -> Record | None:
    """What the run measured of this very network, from OUT/candidates/NAME; None where the folder is of no run."""
    place = folder.resolve()
    if place.parent.name != CANDIDATES:
        return None
    records = read_records(place.parents[1] / RECORDS)
    return next((one for one in records if one.id == candidate.id and one.name == place.name and not one.error), None)


def hub_licence(licence: Licence) -> dict[str, str]:
    """The licence as model hubs read it."""
    name = licence.name.lower()
    return {"license": name} if name in _HUB_NAMES else {"license": "other", "license_name": name or "unknown"}


def licence_line(licence: Licence) -> str:
    """The licence in a sentence."""
    return f"{licence.name}; weights from {licence.source or 'a source that was not stated'}. {licence.note}".rstrip()
