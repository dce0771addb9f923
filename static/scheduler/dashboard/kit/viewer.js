// Who looks, what that role may do, and where the pages are.
const page = document.documentElement.dataset;

export const mayWrite = page.role !== "viewer";
export const seesTenant = ["owner", "admin"].includes(page.role);
export const jobPage = id => `${page.pages}jobs/${id}/`;
