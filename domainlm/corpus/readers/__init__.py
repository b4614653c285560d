"""A work item's documents, by DataTrove readers that lose nothing in silence: what is no document is in the ledger."""
