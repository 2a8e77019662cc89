import Type, { type Static, type TSchema } from "typebox";
import Value from "typebox/value";
import { digestOf } from "../../../common/canonical.ts";
import { httpError } from "../../../common/http/errors.ts";
import { cellError } from "../errors.ts";

/** A list that is read page by page, in a fixed order by a key that no two rows share. */
export interface PagesOptions<Key extends TSchema> {
  /** Name of the list; a cursor of another list is refused. */
  readonly list: string;
  /** The place of a row in the order, as it is in the cursor: what `ORDER BY` names, ending with what makes it unique. */
  readonly key: Key;
  /** Rows of a page where the client does not say. */
  readonly usual: number;
  /** Rows of a page at most: what one answer can hold and one transaction reads at once. */
  readonly most: number;
}

/** A page as a client asks for it. */
export interface PageRequest<Key> {
  /** The last row of the page before; null for the first page. Read rows after it: `WHERE (at, id) < ($1, $2) ORDER BY at DESC, id DESC`. */
  readonly after: Key | null;
  /** Rows to read: one more than the page holds, which tells whether there is a next one. */
  readonly read: number;
  /** The page made from the rows read, and the cursor of the next one, null on the last page. */
  page<Row>(rows: readonly Row[], keyOf: (row: Row) => Key): { items: Row[]; nextCursor: string | null };
}

export interface Pages<Key> {
  /** Members of the route's query schema. */
  readonly query: typeof pageQuery;
  /**
   * Reads `limit` and `cursor` of a request.
   * @param filter what else the query chose: a cursor goes on with the same choice only.
   * @throws cursor-refused, invalid-request for a limit that is too high
   */
  of(query: { readonly limit?: string; readonly cursor?: string }, filter?: unknown): PageRequest<Key>;
}

/** Parameters of an address are text; what is no number is refused by the pattern. */
const pageQuery = {
  limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,4}$", description: "Rows of a page at most" })),
  cursor: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9_-]+$",
      maxLength: 4_096,
      description: "`nextCursor` of the page before, with the same filters",
    }),
  ),
};

/** First member of every cursor; another form of cursors gets another number. */
const version = 1;

/**
 * Declares a list with cursors. A cursor is opaque to clients, holds the last row's key, and is checked when it comes back: its form, its list, its
 * filter, the schema of its key. It is not signed, because it opens nothing: a made-up one only names a place in the tenant's own list, and one that is
 * genuine is good at every cell to which the tenant moves, whose keys differ.
 */
export function definePages<Key extends TSchema>(options: PagesOptions<Key>): Pages<Static<Key>> {
  const encode = (key: Static<Key>, scope: string): string =>
    Buffer.from(JSON.stringify([version, scope, key])).toString("base64url");
  return {
    query: pageQuery,
    of(query, filter = null) {
      const limit = query.limit === undefined ? options.usual : Number(query.limit);
      if (limit > options.most) throw httpError("invalid-request", `querystring/limit must be <= ${options.most}`);
      const scope = digestOf([options.list, filter]).slice(0, 12);
      return {
        after: query.cursor === undefined ? null : decode(query.cursor, scope, options.key),
        read: limit + 1,
        page(rows, keyOf) {
          const items = rows.slice(0, limit);
          const last = items.at(-1);
          const more = rows.length > limit && last !== undefined;
          return { items, nextCursor: more ? encode(keyOf(last), scope) : null };
        },
      };
    },
  };
}

function decode<Key extends TSchema>(cursor: string, scope: string, schema: Key): Static<Key> {
  const refused = (why: string, cause?: unknown) => cellError("cursor-refused", why, { cause });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch (cause) {
    throw refused("The cursor cannot be read.", cause);
  }
  if (!Array.isArray(parts) || parts.length !== 3 || parts[0] !== version) throw refused("The cursor cannot be read.");
  if (parts[1] !== scope) throw refused("The cursor belongs to another list, or to other filters.");
  const key: unknown = parts[2];
  if (!Value.Check(schema, key)) throw refused("The cursor names no place in this list.");
  return key;
}
