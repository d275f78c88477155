"""Adapters of metrics providers: they ask what ``queries`` planned, and type what goes wrong."""
