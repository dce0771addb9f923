"""What every API view shares: the shape of errors and of pages."""
