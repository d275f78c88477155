"""The operator: Kopf's handlers record and wake, one reconcile step a workload decides, one clock waits."""
