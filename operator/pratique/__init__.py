"""Pratique tells whether a Kubernetes release is healthy enough to be promoted.

Layers, imports pointing down only (checked by import-linter):
``cli | web | controller`` over ``sources | cluster | telemetry`` over ``convert``,
``lifecycle``, ``queries``, ``judge`` over ``resources``.
"""

__version__ = "0.1.0"
