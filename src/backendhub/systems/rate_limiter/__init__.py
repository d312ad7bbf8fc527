"""Rate limits as a service: Envoy's rate limit service and configuration, over seven algorithms that count exactly."""
