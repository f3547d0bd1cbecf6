"""Who called an adapter: the user's frame, and the name of a task that was given none."""

from __future__ import annotations

import sys
from types import FrameType

from progstore.live.ambient import program_name

LIBRARIES = ("progstore.adapters.", "tqdm.", "rich.", "concurrent.futures.", "contextlib.", "typing.")


def caller(made: object = None) -> FrameType:
    """The innermost frame that is not of an adapter, nor of the library that it stands in for, nor a method of the
    object that is `made`.
    """
    frame = sys._getframe(1)  # noqa: SLF001  # the documented way to a caller
    while frame.f_back is not None and (_is_inside(frame) or (made is not None and _is_method(frame, made))):
        frame = frame.f_back
    return frame


def _is_inside(frame: FrameType) -> bool:
    return f"{frame.f_globals.get('__name__')}.".startswith(LIBRARIES)


def _is_method(frame: FrameType, made: object) -> bool:
    code = frame.f_code
    return code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is made


def name_after(frame: FrameType) -> str:
    """What a task is called when nobody says: the function that the frame runs, or the program."""
    name = frame.f_code.co_qualname.partition(".<")[0]
    return program_name() if name.startswith("<") else name
