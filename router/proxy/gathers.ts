import { Gather } from "../wire/gather.ts";

/** What goes to cells. It gathers one message at a time, and is empty again before anything else is done. */
export const toCells = new Gather();

/** What goes to clients: answers of one exchange at a time, sent before the read that brought them is over. */
export const toClients = new Gather();
