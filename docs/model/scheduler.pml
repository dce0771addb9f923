/* The scheduler's protocol: who leads, who holds a lease, and what the ledger says. README.md explains it.

   Each process here is one of the product's: a scheduler replica; a worker, or rather one place in it; the Postgres server;
   a person. What they share is the database. An `atomic` is one thing that Postgres does indivisibly: a statement, or the
   commit that makes a transaction's statements visible. Between two of them any other process may go on, for as long as it
   likes. That is what a pause is (SIGSTOP, a slow network, a stolen CPU), and why it is no step of its own. Time is left
   out: what may happen after a while may happen at any time.

   Names in capitals are given with -D: sizes, and the broken variants that `check` lists. */

#ifndef REPLICAS
#define REPLICAS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef TICKS
#define TICKS 1                 /* 1 or 2, of one job, due from the start */
#endif
#define ROWS 3                  /* arrays begin with 0, which is no tick */
#ifndef FAULTS
#define FAULTS 1                /* of replicas; there are at most FAULTS + 1 terms */
#endif
#ifndef TROUBLES
#define TROUBLES 1              /* 0: no drain, no broken session of a worker, no person */
#endif
#ifndef MAX_LOST
#define MAX_LOST 2              /* apps/executions/ledger.py has 3 */
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 2          /* of the job */
#endif

/* ---- What must hold. `check` reads these names in the verdict. -------------------------------------------------------- */

bool I1_one_term_is_open, I1_a_commit_is_of_the_open_term;
bool I2_a_tick_ends_once, I2_who_writes_holds_the_lease;
bool I3_a_tick_is_in_one_place, I3_nothing_is_left_over;

#define MUST(name, hold) name = (hold); assert(name); name = false

/* ---- The database ----------------------------------------------------------------------------------------------------- */

/* The sessions of replicas, numbered as they are; 0 is nobody's. */
bool alive[REPLICAS + 1];       /* its server process lives */
bool doomed[REPLICAS + 1];      /* pg_terminate_backend was called on it: it will end */
byte term_of[REPLICAS + 1];     /* the epoch that it opened */
byte lock;                      /* who holds the advisory lock. That it is one at most is Postgres's word */

/* leadership_leaderterm */
byte last_epoch;                /* the identity column's counter */
byte open_epoch;                /* the row with ended_at IS NULL, 0 if there is none */
byte open_locked;               /* who has that row locked */

/* jobs_cursor: next_run_at is the number of the next tick, TICKS + 1 when there is none. */
byte cursor = 1;
byte cursor_locked;

/* executions_execution, a row a tick. */
mtype = { none, pending, leased };
mtype state[ROWS] = none;
byte token[ROWS];          /* lease_token; 0 is NULL */
byte lost[ROWS], failed[ROWS];        /* `attempt` is their sum, and one more under a lease */
byte row_locked[ROWS];     /* by a leader's transaction; all else is one statement */

/* How often a tick is in executions_executionlog and in executions_skip. These tables' unique keys are left out: they are
   the last line, and what is checked is that nothing ever gets as far. */
byte ledger[ROWS], skipped[ROWS];

/* For the assertions alone: how many leases there were of a row, and which of them stands; 0 is none. */
byte leases[ROWS], standing[ROWS];

/* ---- What may go wrong ------------------------------------------------------------------------------------------------ */

byte faults = FAULTS;           /* sessions that end, locks that get lost, evictions, SIGTERM */
bool may_drain = TROUBLES;      /* a worker is told to stop, once */
bool may_break = TROUBLES;      /* a worker's session breaks between a commit and its answer, once */
bool may_edit = TROUBLES;       /* a person changes the schedule, once */
bool may_cancel = TROUBLES;     /* a person cancels an execution, once */
/* And a worker may crash, hang or lose its lease at any time. MAX_LOST ends that. */

/* ---- What several statements do --------------------------------------------------------------------------------------- */

inline end_transaction(s) {     /* COMMIT and ROLLBACK alike */
    if :: open_locked == s -> open_locked = 0 :: else fi;
    if :: cursor_locked == s -> cursor_locked = 0 :: else fi;
    if :: row_locked[1] == s -> row_locked[1] = 0 :: else fi;
    if :: row_locked[2] == s -> row_locked[2] = 0 :: else fi
}

inline end_session(s) {         /* Postgres rolls back first and frees the lock then */
    end_transaction(s);
    if :: lock == s -> lock = 0 :: else fi;
    alive[s] = false; doomed[s] = false; term_of[s] = 0
}

inline close_term(e) {
    if :: open_epoch == e -> open_epoch = 0; open_locked = 0 :: else fi
}

inline leave_queue(k) {         /* DELETE FROM executions_execution */
    state[k] = none; token[k] = 0; lost[k] = 0; failed[k] = 0; leases[k] = 0; standing[k] = 0
}

inline back_to_queue(k) {       /* SET state = 'pending', lease_token = NULL */
    state[k] = pending; token[k] = 0; standing[k] = 0
}

inline check_tick(k) {
    MUST(I2_a_tick_ends_once, ledger[k] <= 1);
#if !defined(SPLIT_COMPLETE) && !defined(SPLIT_DISPATCH)    /* there it is so for a moment: what comes of it is the point */
    MUST(I3_a_tick_is_in_one_place, (state[k] != none) + ledger[k] + skipped[k] == (k < cursor -> 1 : 0))
#endif
}

inline check_ticks() {          /* with every commit that moves a tick */
    check_tick(1);
    check_tick(2)
}

inline check_holder(k, lease) { /* before a write that ends the lease, by whom it was given to or by the reaper */
    MUST(I2_who_writes_holds_the_lease, standing[k] != 0 && standing[k] == lease)
}

/* ---- A scheduler replica: apps/leadership/loop.py --------------------------------------------------------------------- */

inline begin() {                /* session.py: LeaderSession.transaction, which begins with fence.sql */
    atomic {
        if
        :: !alive[me] -> goto gone
#ifdef NO_FENCE
        :: alive[me] -> printf("replica %d begins a transaction\n", me)
#else
        :: alive[me] && open_epoch != epoch -> goto step_down           /* TermLost */
        :: alive[me] && open_epoch == epoch && open_locked == 0 -> open_locked = me;
            printf("replica %d begins a transaction; its term is open\n", me)
#endif
        fi
    }
}

inline unless_gone() {
    if :: !alive[me] -> goto gone :: else fi
}

inline check_commit() {
    MUST(I1_a_commit_is_of_the_open_term, epoch == open_epoch && epoch == last_epoch)
}

proctype Replica(byte me) {
    byte epoch;                 /* what this process believes; right or not, only the database counts */
    byte seen;                  /* the tick at which it read the cursor */
    byte row;                   /* what it has locked, or the term that it closes */

end_standby:                    /* election.py: Candidate. It polls: no statement of its ever waits for the lock */
    do
    :: atomic { !alive[me] -> alive[me] = true }                        /* session.py: connect */
    :: atomic { alive[me] && lock == 0 -> lock = me;                    /* try_lock.sql */
        printf("replica %d takes the lock\n", me); goto won
       }
    :: atomic {                                                         /* evict_silent_leader.sql: one statement */
        /* Whether a heartbeat is too old is a matter of time, so it may be. */
        alive[me] && lock != 0 && lock != me && open_epoch != 0 && term_of[lock] == open_epoch &&
        !doomed[lock] && faults > 0 ->
            faults--; doomed[lock] = true; row = open_epoch;
            printf("replica %d finds the leader silent and tells the server to end its session\n", me)
       };
       atomic {                                                         /* mark_evicted.sql; lock_timeout */
        if
        :: alive[me] && (open_epoch != row || open_locked == 0) -> close_term(row);
            printf("replica %d writes that term %d is over\n", me, row)
        :: !alive[me] || (open_epoch == row && open_locked != 0)
        fi;
        row = 0
       }
    od;

won:                            /* session.py: LeaderSession.try_acquire, a transaction of two statements */
    atomic {                                                            /* supersede_terms.sql waits for a lock on the row */
        if
        :: !alive[me] -> goto gone
        :: alive[me] && open_epoch == 0
        :: alive[me] && open_epoch != 0 && open_locked == 0 -> open_locked = me; row = open_epoch
        fi
    }
    atomic {                                                            /* open_term.sql; COMMIT */
        unless_gone();
#ifndef NO_KEY
        if                                                              /* term_one_open: only one can be open */
        :: open_epoch != 0 && open_epoch != row ->
            printf("replica %d cannot open a term beside another, and hangs up\n", me);
            end_session(me); row = 0; goto gone
        :: else
        fi;
#endif
        close_term(row); row = 0;
        MUST(I1_one_term_is_open, open_epoch == 0);
        last_epoch++; epoch = last_epoch; open_epoch = epoch; term_of[me] = epoch;
        printf("replica %d opens term %d\n", me, epoch)
    }

end_leader:                     /* term.py: steps in turn, heartbeats, sleep */
    do
    :: atomic { !alive[me] -> goto gone }                               /* psycopg.OperationalError */
    :: atomic { alive[me] && (lock != me || open_epoch != epoch) -> goto step_down }    /* beat.sql: TermLost */
    :: atomic { alive[me] && faults > 0 -> faults--;                          /* SIGTERM, or step_down_reason */
        printf("replica %d is told to stop\n", me); goto step_down
       }
    :: atomic { alive[me] && cursor <= TICKS -> seen = cursor;          /* read_due.sql: autocommit, no fence */
        printf("replica %d reads that tick %d is due\n", me, seen)
       };
       goto dispatch
    :: atomic { alive[me] && (state[1] == leased || state[2] == leased) -> goto reap }
    od;

dispatch:                       /* apps/jobs/dispatch.py: Dispatcher._write */
    begin();
    atomic {                                                            /* hold_cursors.sql: FOR UPDATE SKIP LOCKED */
        if
        :: !alive[me] -> goto gone
#ifdef NO_HOLD
        :: alive[me] -> cursor_locked = me
#else
        :: alive[me] && cursor_locked == 0 && cursor == seen -> cursor_locked = me
        :: alive[me] && !(cursor_locked == 0 && cursor == seen) -> seen = 0; end_transaction(me); goto end_leader
#endif
        fi
    }
#ifdef SPLIT_DISPATCH
    atomic {
        unless_gone();
        printf("replica %d commits that the cursor stands behind tick %d\n", me, seen);
        check_commit(); cursor = seen + 1; end_transaction(me)
    }
    begin();
    atomic {
        unless_gone();
        printf("replica %d commits an execution for tick %d\n", me, seen);
        check_commit(); state[seen] = pending; seen = 0; check_ticks(); end_transaction(me)
    }
#else
    atomic {                                                            /* dispatch.sql; COMMIT */
        unless_gone();
        printf("replica %d commits an execution for tick %d, and the cursor behind it\n", me, seen);
        check_commit();
        state[seen] = pending; cursor = seen + 1; seen = 0;
        check_ticks();
        end_transaction(me)
    }
#endif
    goto end_leader;

reap:                           /* apps/executions/reaper.py */
    begin();
    atomic {                                                            /* reap.sql: FOR UPDATE SKIP LOCKED */
        /* That a lease has expired is a matter of time; that it was renewed (renew.sql) is that it is not taken here. */
        if
        :: !alive[me] -> goto gone
        :: alive[me] && state[1] == leased && row_locked[1] == 0 -> row = 1
        :: alive[me] && state[2] == leased && row_locked[2] == 0 -> row = 2
        :: alive[me] && (state[1] != leased || row_locked[1] != 0) && (state[2] != leased || row_locked[2] != 0) ->
            end_transaction(me); goto end_leader
        fi;
        row_locked[row] = me
    }
    atomic {                                                            /* COMMIT */
        unless_gone();
        printf("replica %d commits that the lease of tick %d is taken back\n", me, row);
        check_commit();
        check_holder(row, standing[row]);
#ifndef REAP_UNCOUNTED
        lost[row]++;
#endif
        if
        :: lost[row] >= MAX_LOST -> leave_queue(row); ledger[row]++     /* failed: it lost too many workers */
#ifdef REAP_LEAVES_ROW
        :: else -> standing[row] = 0
#else
        :: else -> back_to_queue(row)
#endif
        fi;
        row = 0;
        check_ticks();
        end_transaction(me)
    }
    goto end_leader;

step_down:                      /* session.py: LeaderSession.close */
    atomic {                                                            /* close_term.sql; COMMIT */
        if
        :: !alive[me] -> goto gone
        :: alive[me] && (open_epoch != epoch || open_locked == 0 || open_locked == me) -> close_term(epoch)
        fi;
        printf("replica %d steps down\n", me);
        end_transaction(me)
    }
    atomic { if :: alive[me] -> end_session(me) :: else fi }            /* unlock.sql, disconnect */

gone:                           /* no session, no lock, no way to commit */
    atomic { epoch = 0; seen = 0; row = 0 }
    goto end_standby
}

/* ---- A worker's place: apps/executions/worker.py, claimer.py, flusher.py ---------------------------------------------- */

#ifdef SAME_TOKEN
#define NEW_TOKEN 1
#else
#define NEW_TOKEN leases[k]
#endif

#ifdef NO_TOKEN
#define MAY_COMPLETE (state[k] == leased)
#else
#define MAY_COMPLETE OURS
#endif

#define OURS (state[k] == leased && token[k] == held)                   /* the WHERE of every write of a holder's */

inline claim(n) {               /* claim.sql. Whether more attempts are left is told by the claimed row. As many leases as 7 only
                                   come about without a count of losses, and there they must not be numbered without end */
    k = n;
    leases[k] = leases[k] % 7 + 1; standing[k] = leases[k]; lease = leases[k];
    token[k] = NEW_TOKEN; held = token[k];
    state[k] = leased;
    printf("worker %d claims tick %d with token %d\n", me, k, held);
    last = (failed[k] + 1 >= MAX_ATTEMPTS)
}

proctype Worker(byte me) {
    byte k, held;               /* the execution and its token */
    byte lease;                 /* for the assertions */
    bool last;                  /* no attempt is left after this one */

end_idle:
    atomic {                                                            /* claim.sql */
        if
        :: state[1] == pending -> claim(1)
        :: state[2] == pending -> claim(2)
        fi
    }
    /* The target runs. However long that takes, and whatever becomes of the lease meanwhile, one of these comes next. A row
       that a transaction has locked is waited for and looked at again as that left it. */
    atomic {
        if
        :: printf("worker %d forgets tick %d\n", me, k); goto forget     /* a crash; or renew.sql said that the lease is lost */
        :: row_locked[k] == 0 -> goto complete                          /* success, or failed for good */
        :: row_locked[k] == 0 && !last ->                               /* retry.sql: failed, with attempts left */
            printf("worker %d, token %d, puts tick %d back: the attempt failed\n", me, held, k);
            if :: OURS -> check_holder(k, lease); failed[k]++; back_to_queue(k) :: else fi;
            goto forget
        :: row_locked[k] == 0 && may_drain -> may_drain = false;        /* release.sql: SIGTERM */
            printf("worker %d, token %d, hands tick %d back\n", me, held, k);
            if :: OURS -> check_holder(k, lease); back_to_queue(k) :: else fi;
            goto forget
        fi
    }

complete:                       /* complete.sql: out of the queue and into the ledger, in one statement */
#ifdef SPLIT_COMPLETE
    atomic {
        row_locked[k] == 0;
        printf("worker %d, token %d, commits the end of tick %d to the ledger\n", me, held, k);
        if :: OURS -> check_holder(k, lease); ledger[k]++; check_ticks() :: else fi
    }
    atomic {
        row_locked[k] == 0;
        if :: OURS -> leave_queue(k) :: else fi
    }
#else
    atomic {
        row_locked[k] == 0;
        printf("worker %d, token %d, completes tick %d\n", me, held, k);
        if
        :: MAY_COMPLETE -> check_holder(k, lease); leave_queue(k); ledger[k]++; check_ticks()
        :: else                 /* stale */
        fi;
        if
        :: true
        :: may_break -> may_break = false; goto again                   /* no answer came: flusher.py sends it again */
        fi
    }
#endif

forget:
    atomic { k = 0; held = 0; lease = 0; last = false; goto end_idle }
again:                          /* others may come in between */
    skip; goto complete
}

/* ---- Persons: apps/jobs/services.py, apps/executions/services.py ------------------------------------------------------ */

inline cancel(n) {              /* cancel.sql: whatever the row is doing, with the token that it then has */
    printf("a person cancels tick %d: out of the queue, into the ledger\n", n);
    may_cancel = false; leave_queue(n); ledger[n]++; check_ticks()
}

proctype Person() {
end_person:
    do
    :: atomic {                 /* a new schedule: what was due becomes a skip, under the cursor's lock */
        may_edit && cursor <= TICKS && cursor_locked == 0 ->
        may_edit = false; skipped[cursor]++; cursor++;
        printf("a person changes the schedule: tick %d is skipped\n", cursor - 1);
        check_ticks()
       }
    :: atomic { may_cancel && state[1] != none && row_locked[1] == 0 -> cancel(1) }
    :: atomic { may_cancel && state[2] != none && row_locked[2] == 0 -> cancel(2) }
    od
}

/* ---- The server, and the world ---------------------------------------------------------------------------------------- */

proctype Server(byte s) {       /* what becomes of session s */
end_server:
    do
    :: atomic {                 /* the signal arrives */
        alive[s] && doomed[s] -> end_session(s);
        printf("the server ends the session of replica %d\n", s)
       }
    :: atomic {                 /* its process crashed, or was silent or cut off for longer than the timeouts; an operator;
                                   a restart of the server */
        alive[s] && faults > 0 -> faults--; end_session(s);
        printf("the server ends the session of replica %d\n", s)
       }
    :: atomic {                 /* the lock alone: DISCARD ALL by a pooler that was not recognised */
        lock == s && faults > 0 -> faults--; lock = 0;
        printf("replica %d loses the lock, not its session\n", s)
       }
    od
}

proctype World() {
end_world:
    do
    :: atomic {                 /* from some moment on, no more faults */
        faults > 0 || may_drain || may_break || may_edit || may_cancel ->
        printf("nothing else goes wrong from here on\n");
        faults = 0; may_drain = false; may_break = false; may_edit = false; may_cancel = false
       }
    :: timeout ->               /* nobody can do anything any more */
        atomic {
            printf("all is quiet\n");
            MUST(I3_nothing_is_left_over, cursor > TICKS && state[1] == none && state[2] == none &&
                ledger[1] + skipped[1] == 1 && ledger[2] + skipped[2] == TICKS - 1);
            break
        }
    od
}

init {
    byte n;
    atomic {
        for (n : 1 .. REPLICAS) { run Replica(n); run Server(n) }
        for (n : 1 .. WORKERS) { run Worker(n) }
        run Person(); run World()
    }
}
