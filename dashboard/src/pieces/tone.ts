/** What a colour means everywhere; the word beside it always says the same. */
export type Tone = "good" | "warn" | "bad" | "busy" | "calm";
