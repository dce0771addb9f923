// What was typed when the session ended: kept in this tab until the same person is back, and then forgotten.
const page = document.documentElement.dataset;
const key = () => `draft:${location.pathname}`;

export function keep(content) {
    sessionStorage.setItem(key(), JSON.stringify({ user: page.user, content }));
}

/** The draft, once. Somebody else's is thrown away unseen. */
export function take() {
    const kept = JSON.parse(sessionStorage.getItem(key()) || "null");
    sessionStorage.removeItem(key());
    return kept?.user === page.user ? kept.content : null;
}
