"""Calls to other systems that a task asks for: HTTP requests and GitHub's API. Metrics are ``sources/``."""
