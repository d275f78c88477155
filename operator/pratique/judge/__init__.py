"""Judging: samples and bounds in, results and a verdict out. Pure: no network, no clock, no Kopf."""
