"""Where the checks keep what one run knows of them."""

import pytest

# Checks that could not be asked, by the reason: said once, and no rows.
NOT_APPLICABLE = pytest.StashKey[dict[str, tuple[str, ...]]]()

NOBODY = "nothing here to ask it of"  # one of these reasons

# Why a worker ran nothing: a mistake of the user's that only collection could see.
REFUSAL = pytest.StashKey[str]()

# The notes that a check left on its item, for a result that passes.
ADVICE = pytest.StashKey[list[str]]()
