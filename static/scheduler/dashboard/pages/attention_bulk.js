// One deed for many things, one after the other: how far it is, and at the end what was refused and why.
import { ask, drawer } from "../kit/dialogs.js";
import { fill, h } from "../kit/dom.js";
import { number } from "../kit/time.js";

const LONGEST_WAIT = 30; // seconds that a limit of requests may ask for

/**
 * Asks once (`question` as `ask` takes it, without `run`), then takes the `steps`: {name, run(reason)}, where `run`
 * resolves to {done: number, refused: [{name, detail}]} or throws what the API refused. `total` is how many things they
 * make, `told(done)` the sentence at the end. Closing the drawer stops it. Resolves to false where nothing was begun.
 */
export async function inBulk({ question, title, total, steps, told }) {
    let reason = null, stopped = false, done = 0, refused = 0;
    if (!await ask({ ...question, run: async given => { reason = given; } })) return false;
    const bar = h("progress", { max: total, "aria-label": title });
    const said = h("p", { role: "status" });
    const refusals = h("ul", { class: "refusals" });
    const panel = drawer(title, { onclose: () => { stopped = true; } });
    fill(panel.body, bar, said, refusals);
    for (const step of steps) {
        bar.value = Math.min(total, done + refused);
        said.textContent = `${number(bar.value)} of ${number(total)}`;
        const answer = await taken(step, reason);
        done += answer.done;
        refused += answer.refused.length;
        refusals.append(...answer.refused.map(one => h("li", {}, h("strong", {}, one.name), " ", one.detail)));
        if (stopped) return true;
    }
    bar.value = total;
    said.textContent = told(done) + (refused ? ` ${number(refused)} refused:` : "");
    return true;
}

async function taken({ name, run }, reason, again = true) {
    try {
        return await run(reason);
    } catch (error) {
        if (error.detail === undefined) throw error;
        if (error.status === 429 && again && error.retryAfter && error.retryAfter <= LONGEST_WAIT) {
            await new Promise(resolve => setTimeout(resolve, error.retryAfter * 1000));
            return taken({ name, run }, reason, false);
        }
        return { done: 0, refused: [{ name, detail: error.detail }] };
    }
}
