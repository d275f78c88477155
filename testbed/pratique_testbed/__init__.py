"""A real Kubernetes control plane and a real Prometheus on loopback, for tests and for trying.

Plain processes, no container engine. Pods come from KWOK: the API server, the scheduler and the
controllers are real, but no container runs; a simulator speaks for the pods when Prometheus
scrapes. It is NOT a way to run workloads, and its API server is NOT meant to be reached from
another machine.
"""
