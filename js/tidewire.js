// The browser client of Tidewire. docs/browser.md says how to use it, tidewire.d.ts what each call promises.

import { Client } from "./tidewire/client.js";

export { TidewireError } from "./tidewire/error.js";

/** Connects to a hub, and comes back when the connection is lost. */
export const connect = (url, options) => new Client(url, options);
