"""What a run, a load and a stack tell to monitoring systems: metrics for Prometheus, spans over OTLP.

`samples` has the figures as plain data and knows no library; who has figures makes a MetricsSnapshot of them (`run_metrics`,
`board_metrics`, `operate/stack_metrics.py`). `prometheus` alone knows prometheus-client and `otlp` alone OpenTelemetry, so
neither package is needed by a user who does not ask for it.
"""
