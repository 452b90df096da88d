"""What people type, checked field by field: one module per noun. Messages say what to do, and the form stays filled."""
