"""What TF Serving is run with: configurations, Compose and Kubernetes manifests."""
