// From a run on this page to the whole of it, on the page of executions.
const root = document.documentElement.dataset;

const executionPage = id => `${root.pages}executions/?execution=${id}`;

/** Makes `link` lead to the execution of `row`. */
export function openRun(row, link, label) {
    link.href = executionPage(row.id);
    link.setAttribute("aria-label", label);
    return link;
}

export function showRun(id) {
    location.assign(executionPage(id));
}
