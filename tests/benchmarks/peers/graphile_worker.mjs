// graphile-worker: concurrency 50, a local queue of 1,000, completions batched without a delay.
import { Logger, makeWorkerUtils, parseCronItems, run } from "graphile-worker";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const [mode, url, text] = process.argv.slice(2);
const number = Number(text);
const now = () => performance.timeOrigin + performance.now();
const logger = new Logger(() => () => {});
const preset = { worker: { localQueue: { size: 1000 }, completeJobBatchDelay: 0, concurrentJobs: 50 } };
const options = { connectionString: url, logger, noHandleSignals: true, preset };

async function work() {
  const taskList = {
    noop: async () => {},
    lag: async (payload) => process.stdout.write(`lag ${(now() - payload.at).toFixed(3)}\n`),
  };
  await run({ ...options, concurrency: 50, taskList });
  await sleep(1000);
  console.log("ready");
}

async function fill(utils) {
  const payload = { text: "p".repeat(185) };
  await utils.addJobs(Array.from({ length: number }, () => ({ identifier: "noop", payload })));
  console.log("filled", Date.now() / 1000);
}

async function trickle(utils) {
  for (let index = 0; index < number; index++) {
    await sleep(20);
    await utils.addJob("lag", { at: now() });
  }
  console.log("trickled");
}

// A minute's crons that were missed while nobody ran: each is filled in once.
async function schedules(utils) {
  await utils.migrate();
  const items = Array.from({ length: number }, (_, index) => ({
    task: "noop",
    match: "* * * * *",
    identifier: `s${index}`,
    options: { backfillPeriod: 60_000 },
  }));
  const pool = new pg.Pool({ connectionString: url });
  await pool.query(
    `INSERT INTO graphile_worker._private_known_crontabs (identifier, known_since)
     SELECT 's' || n, now() - interval '5 minutes' FROM generate_series(0, $1::int - 1) AS n`,
    [number],
  );
  await pool.end();
  const events = new EventEmitter();
  const filled = new Promise((resolve) => {
    let started;
    events.on("cron:starting", () => (started = now()));
    events.on("cron:started", () => resolve((now() - started) / 1000));
  });
  const taskList = { other: async () => {} }; // whatever becomes due is left in the queue
  await run({ ...options, concurrency: 1, taskList, events, parsedCronItems: parseCronItems(items) });
  console.log("seconds", await filled);
}

if (mode === "work") await work();
else {
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await { fill, trickle, schedules }[mode](utils);
  process.exit(0);
}
