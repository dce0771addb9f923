// The JSON contract, asked with the session of the person who looks.
const page = document.documentElement.dataset;

/** What the API refused: `status`, `detail` (a sentence), `errors` by field, `retryAfter` in seconds. */
export class ApiError extends Error {
    constructor(status, { detail, errors } = {}, retryAfter = null) {
        super(detail || "The server did not answer. Try again in a moment.");
        Object.assign(this, { status, detail: this.message, errors: errors || {}, retryAfter });
    }
}

/** GET `path` below the API's root. Empty parameters are left out; an array is sent with commas. */
export function get(path, parameters = {}, { signal } = {}) {
    return ask("GET", address(path, parameters), { signal });
}

/** POST, PUT, PATCH or DELETE. `version` becomes If-Match, `key` Idempotency-Key. */
export function send(method, path, body = null, { version = null, key = null, parameters = {} } = {}) {
    const headers = { "X-CSRFToken": page.csrf };
    if (body !== null) headers["Content-Type"] = "application/json";
    if (version !== null) headers["If-Match"] = `"${version}"`;
    if (key !== null) headers["Idempotency-Key"] = key;
    return ask(method, address(path, parameters), { headers, body: body === null ? undefined : JSON.stringify(body) });
}

export function address(path, parameters = {}) {
    const known = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const query = new URLSearchParams(known.map(([name, value]) => [name, String(value)])).toString();
    return `${page.api}${path}${query ? `?${query}` : ""}`;
}

async function ask(method, url, options) {
    let response;
    try {
        response = await fetch(url, { method, credentials: "same-origin", ...options });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError(0, { detail: "The server cannot be reached. Check the connection; the page tries again by itself." });
    }
    if (response.ok) return response.status === 204 ? null : whole(response);
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) document.dispatchEvent(new CustomEvent("signed-out"));
    throw new ApiError(response.status, answer, Number(response.headers.get("Retry-After")) || null);
}

/** The body of an answer that may be cut off on its way, or given up by the page. */
async function whole(response) {
    try {
        return await response.json();
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError(0, { detail: "The answer was cut off. The page tries again by itself." });
    }
}
