"""Read and write the moments that options name: a day, or a day with a time of day."""

from __future__ import annotations

from datetime import UTC, datetime, time

END_OF_DAY = time(23, 59, 59)
FORM = "a day, `2022-01-10`, or a moment, `2022-01-10T12:00`"
_LONGEST_DAY = len("2022-01-10")


def read_moment(text: str) -> datetime:
    """Return the moment in UTC: a day stands for its end; a time of day is UTC unless it has an offset.

    Raises:
        ValueError: `text` is neither, or outside the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    if len(text) <= _LONGEST_DAY:
        moment = datetime.combine(moment, END_OF_DAY)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def show_moment(moment: datetime) -> str:
    """Return the shortest text that `read_moment` reads as this moment, down to the minute or the day."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    if moment.time() == END_OF_DAY:
        return moment.date().isoformat()
    is_minute = not (moment.second or moment.microsecond)
    return moment.isoformat(timespec="minutes" if is_minute else "auto")
