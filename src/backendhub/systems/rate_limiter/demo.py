"""Sample data: the limits of a small API, one for each algorithm."""

from __future__ import annotations

from backendhub.kit.db import Db

from . import service

SHOP = """\
domain: shop
descriptors:
  # Five tries to sign in a minute from one address, exactly; without the counts nobody gets in.
  - key: login
    descriptors:
      - key: remote_address
        rate_limit: {unit: minute, requests_per_unit: 5, algorithm: sliding-log, fail: closed, name: login}
  # Each user: 100 requests a second, of which 20 may come at once.
  - key: user
    rate_limit: {unit: second, requests_per_unit: 100, algorithm: gcra, burst: 20}
    descriptors:
      - key: report
        rate_limit: {unit: minute, requests_per_unit: 3, algorithm: concurrency, name: reports}
  - key: user
    value: monitoring
    rate_limit: {unlimited: true}
  - key: plan
    value: free
    rate_limit: {unit: day, requests_per_unit: 1000, algorithm: sliding-counter}
  - key: plan
    value: blocked
    rate_limit: {unit: second, requests_per_unit: 0}
  # What would happen if mails were spread evenly: counted, never refused.
  - key: mail
    shadow_mode: true
    rate_limit: {unit: minute, requests_per_unit: 60, algorithm: leaky-bucket, burst: 10}
  - key: path
    value: /files/*
    share_threshold: true
    rate_limit: {unit: hour, requests_per_unit: 1000, algorithm: token-bucket}
"""


def load(db: Db) -> int:
    """Adds the domain `shop`, unless there is one. Gives the number of domains added."""
    if service.find(db, "shop") is not None:
        return 0
    service.put(db, domain="shop", config=SHOP)
    return 1
