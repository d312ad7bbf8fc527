"""Data whose shape its users decide: sets of resources whose rows are JSON objects, filtered and sorted by any field.

Systems give it a wire: `rest` speaks json-server's two dialects. `service` has the verbs, `conditions` what can be
asked, `fields` explains how any question becomes a look-up in an index on both engines.
"""
