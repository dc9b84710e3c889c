"""The platform on a real Kubernetes cluster: installed by its chart, runs in pods, pods killed, many hours at once.

`make test-kubernetes` runs them; docs/kubernetes-test.md says what they need and what was measured.
"""
