"""Where the checks keep what one run knows of them."""

import pytest

from fixtures.estate import Target

# Checks that could not be asked, by the reason: said once, and no rows.
NOT_APPLICABLE = pytest.StashKey[dict[str, tuple[str, ...]]]()

NOBODY = "nothing here to ask it of"  # one of these reasons

# The targets that checks are made for, while some are made again: a fix asks what it made (remediation/unselected.py).
CONFINED = pytest.StashKey[frozenset[Target]]()

# Why a worker ran nothing: a mistake of the user's that only collection could see.
REFUSAL = pytest.StashKey[str]()

# The notes that a check left on its item, for a result that passes.
ADVICE = pytest.StashKey[list[str]]()
