"""JSON Schemas of every payload, from the contract's words alone: nothing here is imported from the product.

Keys that the contract names are required. Others may come beside them: old clients ignore what they do not know.
"""

from tests.contract.schemas.errors import ERROR, FIELD_ERRORS
from tests.contract.schemas.words import violations

__all__ = ["ERROR", "FIELD_ERRORS", "violations"]
