"""Generated from proto/wire/v1 by `make proto`; nothing here is edited by hand."""
