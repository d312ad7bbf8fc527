"""See failure isolated: breakers on resilience4j's wire before real upstreams, and a fault injector with Toxiproxy's API."""
