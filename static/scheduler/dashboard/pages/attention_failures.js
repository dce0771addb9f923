// What failed in the last 24 hours and nobody has run again, and running it again: one, some or all.
import { get, send } from "../kit/api.js";
import { ask, say } from "../kit/dialogs.js";
import { fill, find, h, icon, renew } from "../kit/dom.js";
import { openExecution } from "../kit/execution.js";
import { pager } from "../kit/lists.js";
import { live } from "../kit/live.js";
import { empty, reading } from "../kit/states.js";
import { number, time } from "../kit/time.js";
import { inBulk } from "./attention_bulk.js";
import { picking } from "./attention_pick.js";
import { focusBack, keyed } from "./keyed.js";
import { jobPage, mayWrite, seesTenant } from "../kit/viewer.js";

const LIMIT = 25, DAY = 86_400_000;
const AT_ONCE = 500; // of what a filter of `bulk-retry` finds
const EVERY = 4000; // each run moves the pulse, and there may be a day full of failures to count

/** Fills the page's second part; `counted(n)` hears how many there are. */
export function failures(counted) {
    const area = find("#failures"), turns = find("#failures-pager"), all = find("#failures-all-now");
    const list = h("ul", { class: "failures", tabindex: "-1", "aria-labelledby": "failures-title" });
    const pick = picking(find("#failures-all"), find("#failures-retry"), list);
    let rows = [], total = 0, offset = 0;

    const since = () => new Date(Date.now() - DAY).toISOString();
    const ask24 = () => get("execution-logs", { status: "failed", retried: false, since: since(), limit: LIMIT, offset });
    const read = reading(area, ask24, page => {
        ({ logs: rows, total_count: total } = page);
        if (!rows.length && total) return turn(0);
        pick.shown(rows.map(row => row.id));
        if (!rows.length) fill(area, empty("No failure is left over", "Whatever failed in the last 24 hours was run again, or nothing failed.", { name: "check" }));
        else {
            if (!list.isConnected) fill(area, list);
            keyed(list, rows, row => row.id, row => failure(row, pick, { retry, look }), { class: "failure" });
        }
        renew(turns, [total, page.offset], () => total > LIMIT && pager(page, turn, "failures"));
        if (all) {
            all.hidden = total <= rows.length;
            renew(all, total, () => [icon("retry"), `Retry all ${number(total)}`]);
        }
        counted(total);
    });

    function turn(to) {
        offset = to;
        return read();
    }

    const look = row => openExecution(row, { siblings: () => rows });

    async function retry(row) {
        const begun = await ask({
            title: `Retry ${row.task.task_title}`, action: "Retry", reason: "optional",
            text: "The job runs again as it is today, as a new execution that names this one.",
            run: reason => send("POST", `executions/${row.id}/retry`, { reason }),
        });
        focusBack(list, row.id);
        if (!begun) return;
        say(`${row.task.task_title} will run again as soon as a worker is free.`);
        await read();
        focusBack(list, row.id);
    }

    async function inBulkly(what, count, steps) {
        const begun = await inBulk({
            question: { title: `Retry ${what}`, action: "Retry", reason: "optional", text: "Each job runs again as it is today, as a new execution that names the failed one." },
            title: `Retrying ${what}`, total: count, steps,
            told: done => `${number(done)} will run again as soon as a worker is free.`,
        });
        if (!begun) return;
        pick.clear();
        await read();
    }

    find("#failures-retry")?.addEventListener("click", () => {
        const chosen = rows.filter(row => pick.has(row.id));
        return inBulkly(failed(chosen.length), chosen.length, [bulkStep({ execution_ids: chosen.map(row => row.id) }, rows)]);
    });
    all?.addEventListener("click", () => inBulkly(failed(total), total, rounds(total, { status: "failed", since: since(), until: new Date().toISOString() }, rows)));
    return live(read, EVERY);
}

/** What a filter finds is run again some hundred at a time; a retry that fails meanwhile is not retried by this. */
function* rounds(total, filter, rows) {
    for (let round = 0, more = true; more && round < Math.ceil(total / AT_ONCE); round++) {
        yield bulkStep(filter, rows, answer => { more = answer.has_more && answer.retried.length > 0; });
    }
}

function bulkStep(body, rows, answered = () => {}) {
    const named = id => rows.find(row => row.id === id)?.task.task_title ?? `Execution ${id}`;
    return {
        name: "The retry",
        run: async reason => {
            const answer = await send("POST", "executions/bulk-retry", { ...body, reason });
            answered(answer);
            return { done: answer.retried.length, refused: answer.refused.map(({ id, detail }) => ({ name: named(id), detail })) };
        },
    };
}

const failed = count => `${number(count)} failed ${count === 1 ? "execution" : "executions"}`;

function failure(row, pick, { retry, look }) {
    const title = row.task.task_title;
    return [
        mayWrite && h("input", { type: "checkbox", "aria-label": `Select ${title}`, checked: pick.has(row.id), onchange: event => pick.set(row.id, event.currentTarget.checked) }),
        h("div", { class: "failure-what" },
            h("p", {}, row.job_id ? h("a", { href: jobPage(row.job_id) }, title) : title, " ", time(row.execution_date, "ago"),
                h("span", { class: "soft small" }, row.attempt > 1 && ` · ${number(row.attempt)} attempts`, seesTenant && row.user_id && ` · ${row.user_id}`)),
            h("p", { class: "soft small cut-wide" }, row.error_message || "No error was recorded.")),
        h("div", { class: "actions" },
            h("button", { class: "button small", type: "button", "aria-label": `Look at this execution of ${title}`, onclick: () => look(row) }, "Look"),
            mayWrite && h("button", { class: "button small", type: "button", "aria-label": `Retry ${title}`, onclick: () => retry(row) }, icon("retry"), "Retry")),
    ];
}
