// What a tenant's people set: usage, keys, members, notifications, platforms, calendars. Each tab is an anchor, read when it is opened.
import { find, findAll } from "../kit/dom.js";
import { seesTenant } from "../kit/viewer.js";
import { calendars } from "./settings/calendars.js";
import { channels } from "./settings/channels.js";
import { invitations } from "./settings/invitations.js";
import { keys } from "./settings/keys.js";
import { members } from "./settings/members.js";
import { platforms } from "./settings/platforms.js";
import { usage } from "./settings/usage.js";

const nothing = () => () => {};
const TABS = {
    usage: [usage],
    keys: [seesTenant ? keys : nothing],
    people: seesTenant ? [members, invitations] : [nothing],
    channels: [seesTenant ? channels : nothing],
    platforms: [platforms],
    calendars: [calendars],
};
const begun = new Map();

function show() {
    const tab = location.hash.slice(1) in TABS ? location.hash.slice(1) : "usage";
    for (const part of findAll("[data-tab]")) part.hidden = part.dataset.tab !== tab;
    for (const link of findAll(".tabs a")) {
        if (link.hash === `#${tab}`) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
    }
    find(`.tabs a[aria-current]`).scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!begun.has(tab)) begun.set(tab, TABS[tab].map(begin => begin()));
    for (const read of begun.get(tab)) read();
}

window.addEventListener("hashchange", show);
show();
