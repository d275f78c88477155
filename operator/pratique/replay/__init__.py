"""Judging what is given: cases written by hand, and the samples of recorded releases. Pure."""
