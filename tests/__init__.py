import pytest

# Their assertions explain themselves like those of test modules.
pytest.register_assert_rewrite("tests.contract", "tests.isolation")
