"""Failures of the helpers here show the values they compared."""

import pytest

pytest.register_assert_rewrite("tests.protocol.promises", "tests.protocol.vector_player")
