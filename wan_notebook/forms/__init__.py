"""The fields of a request as widgets."""
