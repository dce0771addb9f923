"""`manage.py demo`: the whole product on one machine for a while, and a verdict on what it did.

    setting   its own database, tenants, people, keys and jobs     database, cast, workload, tasks
    running   receiver, web, two schedulers, two workers           run, stage, children, leaders, sites, sockets,
                                                                   receiver
    watching  figures from the database, as a table or as lines    figures, table
    judging   what was due, by an oracle of its own, against the   oracle, witnesses, history, timing, verdict
              ledger and the receiver's record

The judging modules import nothing of the scheduler's recurrence: what is checked must not check itself. Nothing here
is used by the product, only by `scheduler_saas.drill`; `settings.demo` adds the demo's tasks to the processes it
starts.
"""
