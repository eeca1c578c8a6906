"""What every error of the course derives from, so that the command line can show it as text."""


class CourseError(Exception):
    """Something about the input is wrong; the message says what, where, and what to do."""
