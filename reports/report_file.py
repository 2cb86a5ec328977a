"""A report that another plugin writes in place: refused beforehand, sent aside, and renamed when it is whole.

pytest-html and pytest's JUnit open their files for writing when the run ends, over the last report: a run that is
killed in between would leave half of one.
"""

import os
from pathlib import Path

from fixtures.whole_file import aside_of, put_in_place, refuse_unwritable


class ReportFile:
    """One such file.

    Attributes:
        typed: the path as the user gave it.
        path: where that leads.
        aside: where the other plugin shall write meanwhile.
    """

    def __init__(self, option: str, typed: str) -> None:
        """Refuse what cannot be written; folders that are missing are made, as both plugins do.

        Raises:
            InputError: the path cannot be written.
        """
        self.typed = typed
        self.path = Path.cwd().joinpath(Path(os.path.expandvars(typed)).expanduser()).resolve()
        refuse_unwritable(f"{option}={typed}", self.path, make_folders=True)
        self.aside = aside_of(self.path)

    @property
    def is_device(self) -> bool:
        """Whether it is written straight to, since nothing can be renamed over it."""
        return self.path.exists() and not self.path.is_file()

    def arrive(self) -> bool:
        """Put the whole file in its place; False where none was written aside."""
        if not self.aside.exists():
            return False
        put_in_place(self.aside, self.path)
        return True
