"""A legacy system's execution logs, brought into the ledger: CSV or JSON Lines, a million lines in constant memory.

- `records`   a file into lines, each with the offset after it: where a resumed import goes on
- `parsing`   a line into a row of the ledger, or a sentence why not; pure
- `rejects`   the file of the lines that were not taken
- `history`   partitions for days long past
- `loading`   a batch into the ledger, its outputs and the counters' deltas, through a staging table
- `run`       the whole, one transaction a batch; how far it got is an `ImportRun` in the same transaction

Nothing here touches jobs: what ran elsewhere is of no job of ours, whatever number it bore there.
"""
