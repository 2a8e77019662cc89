import { Type, defineCellApp, defineJob, definePages, errorsOf, recordRollup, type Server } from "cellplane/kit";
import { countNotes, listNotes, readNote, saveNote, setWords } from "./notes.store.ts";

const Id = Type.String({ pattern: "^[a-z0-9-]{1,40}$" });
const Note = Type.Object({ id: Id, text: Type.String(), words: Type.Union([Type.Integer(), Type.Null()]) });
const NewNote = Type.Object({ text: Type.String({ minLength: 1, maxLength: 10_000 }) });
const Page = Type.Object({ notes: Type.Array(Note), nextCursor: Type.Union([Type.String(), Type.Null()]) });
const pages = definePages({ list: "notes", key: Id, usual: 50, most: 200 });

const appError = errorsOf({
  "no-such-note": { status: 404, title: "There is no such note", todo: "GET /v1/notes lists the notes there are." },
});

/** Counts a note's words after it was saved, so that nobody waits for it, and the notes made in that hour. */
export const countWords = defineJob({
  name: "count-words",
  version: 1,
  payload: Type.Object({ id: Id }),
  async run({ id }, { tx }) {
    const madeAt = await setWords(tx, id);
    if (madeAt === undefined) return;
    const from = new Date(Math.floor(madeAt.getTime() / 3_600_000) * 3_600_000);
    const to = new Date(from.getTime() + 3_600_000);
    await recordRollup(tx, "notes", "sum", [{ bucket: from, value: await countNotes(tx, { from, to }) }]);
  },
});

async function routes(server: Server): Promise<void> {
  server.put(
    "/v1/notes/:id",
    { schema: { params: Type.Object({ id: Id }), body: NewNote, response: { 200: Note } } },
    async (request) => {
      const { id } = request.params;
      const { text } = request.body;
      const { db, queue, cache } = request.tenant;
      const note = await db.write(async (tx) => {
        await queue.add(tx, countWords, { id });
        return saveNote(tx, id, text);
      });
      await cache.delete("count");
      return note;
    },
  );

  server.get(
    "/v1/notes/:id",
    { schema: { params: Type.Object({ id: Id }), response: { 200: Note } } },
    async (request) => {
      const note = await request.tenant.db.read((tx) => readNote(tx, request.params.id));
      if (note === undefined) throw appError("no-such-note", `No note is called ${request.params.id}.`);
      return note;
    },
  );

  server.get(
    "/v1/notes",
    { schema: { querystring: Type.Object(pages.query), response: { 200: Page } } },
    async (request) => {
      const page = pages.of(request.query);
      const rows = await request.tenant.db.read((tx) => listNotes(tx, page.after, page.read));
      const { items, nextCursor } = page.page(rows, (note) => note.id);
      return { notes: items, nextCursor };
    },
  );

  server.get(
    "/v1/count",
    { schema: { response: { 200: Type.Object({ notes: Type.Integer() }) } } },
    async (request) => {
      const { cache, db } = request.tenant;
      const all = { from: new Date(0), to: new Date("9999-01-01") };
      return { notes: await cache.fetch("count", 60, () => db.read((tx) => countNotes(tx, all))) };
    },
  );
}

export default defineCellApp({
  name: "notes",
  migrations: { needs: 1 },
  routes,
  jobs: [countWords],
  aggregates: { notes: { merge: "sum", query: countNotes } },
  journey: [
    { name: "save a note", method: "PUT", path: "/v1/notes/journey", body: { text: "still here" }, expect: 200 },
    { name: "read the note", method: "GET", path: "/v1/notes/journey", expect: 200 },
  ],
});
