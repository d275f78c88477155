"""The release's state machine: (plan, view of the cluster, status, now) → (status, what to ask, next due).

Pure: no network, no clock, no Kopf. Phase and conditions are derived from what happened, never stored first.
"""
