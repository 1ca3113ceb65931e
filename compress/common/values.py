"""What a cell of a table may hold."""

Value = str | int | float | None
