"""Services: studies come in, findings go out; a queue on disk lies between them."""
