"""Real processes, real faults, and a history that is judged when all is over. `make chaos SECONDS=60 SEED=1`.

    planning  a seed says what strikes when                         faults
    running   a server of its own, a fleet, jobs, endpoints         fleet, run, receiver, connected
    striking  signals aimed at a moment, lost answers, crashes,     chaos, aim, relay, clocks, reaping
              wrong clocks, reapers beside reconcile
    seeing    rows, commits in their order, what tasks, endpoints   watch, recorder, history
              and logs say
    judging   I1 to I5, by pure functions that have a planted       checker, test_checker
              violation each
    absences  days without a leader, nights of clock changes        absences, test_absence
    others    a pulled cable, a promoted standby, an upgrade        network, test_network, test_promotion, test_upgrade

Nothing here knows how the scheduler works: it looks at what is left, as a customer and an auditor would.
"""
