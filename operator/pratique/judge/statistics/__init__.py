"""Tests behind the results: exact on counts, sequential over looks. numpy is imported here only."""
