"""Other schedulers, each at the best setting we found for it, driven by scripts that know nothing of this project.

They are installed into var/peers by `install`, from requirements/peers.txt and package.json; what cannot be installed
is reported as not measured. A driver is called with a mode, a database's URL and a number:

    work       the worker, until it is stopped; says `ready`, and `lag <ms>` for each job whose payload has a time
    fill       put so many no-op jobs with 200 bytes of payload into the queue in one transaction; says `filled`
    trickle    put so many jobs into it one at a time, 20 ms apart, each with the time before the call; says `trickled`
    schedules  turn so many due schedules into jobs; says `seconds <s>`
    ticks      run 100 schedules every second for so many seconds; says `lag <ms>` for each run
"""
