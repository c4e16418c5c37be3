"""What ships for others: a dashboard for Grafana and alert rules for Prometheus."""
