"""`manage.py leadership drill`: hurts the leader again and again, and says how long nobody led and whether anything was
lost or done twice.

    setting   the demo's cast, load, processes and scratch database   scheduler_saas.demo
    hurting   what is done to a leader, and undone                    faults, relay, relays
    running   rounds of one fault on processes of its own             run
              rounds of stepping down where people work               live
    judging   the demo's verdict, and bounds on takeovers             verdict

Only processes that it started are signalled, each by its id. Nothing here is used by the product.
"""
