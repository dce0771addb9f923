"""`make bench`: every figure beside its peer or its limit in the same run, on a Postgres of the run's own.

    __main__   which figures, how many rounds; writes docs/benchmarks.md and var/bench.json
    server     the Postgres: its settings are part of every figure
    databases, population, running    a migrated database for each contender, tenants and jobs in it, our own processes
    rounds     contenders in turn; medians
    figures    one module for each; `catalog` names them all
    peers      drivers of other schedulers, in an environment of their own (var/peers)
    record, report    what was measured, as JSON and as Markdown

A figure means something beside another one from the same run alone: the same server, the same minute, the same cores.
"""
