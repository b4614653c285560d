"""Bytes of a format in, text out: pure functions, a file a format; what holds no text raises Unreadable, with why."""


class Unreadable(ValueError):
    """These bytes give no text; the message says why, in words for the quarantine."""
