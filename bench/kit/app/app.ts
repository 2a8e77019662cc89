import { Type, defineCellApp } from "../../../cells/kit/kit.ts";
import { insertNote, listNotes } from "./notes.store.ts";

const Note = Type.Object({ id: Type.String(), board: Type.Integer(), body: Type.String() });

/** One write and one read of one statement each: the case in which what the kit adds weighs most. `bare.ts` does the same without a kit. */
export default defineCellApp({
  name: "bench-notes",
  settings: Type.Object({}),
  migrations: { needs: 1 },
  async routes(server) {
    for (const [path, last] of [
      ["/v1/notes", true],
      ["/v1/notes-committed-apart", false],
    ] as const) {
      server.post(
        path,
        {
          schema: {
            body: Type.Object(
              { board: Type.Integer(), body: Type.String({ maxLength: 1_000 }) },
              { additionalProperties: false },
            ),
            response: { 201: Type.Object({ id: Type.String() }) },
          },
        },
        async (request, reply) => {
          const { board, body } = request.body;
          const id = await request.tenant.db.write((tx) => insertNote(tx, board, body, last));
          return reply.code(201).send({ id });
        },
      );
    }
    server.get(
      "/v1/boards/:board",
      {
        schema: {
          params: Type.Object({ board: Type.String({ pattern: "^[0-9]{1,4}$" }) }),
          response: { 200: Type.Object({ notes: Type.Array(Note) }) },
        },
      },
      async (request) => ({
        notes: await request.tenant.db.read((tx) => listNotes(tx, Number(request.params.board))),
      }),
    );
  },
  jobs: [],
  aggregates: {},
});
