// Roles, the weakest first: nobody gives more than they have, and admins do not touch owners.
const page = document.documentElement.dataset;
export const ROLES = ["viewer", "member", "admin", "owner"];
const WORDS = {
    viewer: "Viewer: looks at their own jobs",
    member: "Member: makes and runs their own jobs",
    admin: "Admin: everybody's jobs, members and keys",
    owner: "Owner: all of it, owners too",
};

export const me = page.user;
export const myRole = page.role;
export const rank = role => ROLES.indexOf(role);

/** The roles that the reader may give, up to `highest`, as options. */
export function roleOptions(highest = myRole) {
    const top = Math.min(rank(highest), rank(myRole));
    return ROLES.slice(0, top + 1).map(role => [role, WORDS[role]]);
}

/** Whether the reader may change what belongs to somebody of this role. */
export const reaches = role => rank(role) <= rank(myRole);
