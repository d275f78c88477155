"""The Kubernetes API as the operator needs it: typed reads, careful writes, watches that do not tire.

Not here: decisions. What a change means is told by ``lifecycle/``; when to look is up to ``controller/``.
"""
