import type { Queryable } from "../../../common/postgres/pool.ts";
import type { SchemaFinding } from "./schema-rules.ts";

// Everything is read from the catalogue, which every role may read: the linter needs no right of its own and no function in the database, so that a
// newer kit's rules hold on any cell. `spaces` are the schemas that are neither PostgreSQL's nor a session's; what an extension brings is its own.
const relations = `WITH spaces AS (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname !~ '^pg_(toast_)?temp_'
  ), relations AS (
    SELECT c.oid, c.relkind, c.relowner, c.relpersistence, c.relrowsecurity AND c.relforcerowsecurity AS forced, c.reloptions, n.nspname,
      CASE n.nspname WHEN 'public' THEN quote_ident(c.relname) ELSE format('%I.%I', n.nspname, c.relname) END AS object
    FROM pg_class c JOIN spaces n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ), tables AS (
    -- In the kit's schema those are tenants' tables that tenants' statements may touch; the rest is the kit's own bookkeeping.
    SELECT * FROM relations WHERE relkind IN ('r', 'p') AND (nspname = 'public' OR (nspname = 'cellplane'
      AND (has_table_privilege('cell_app', oid, 'SELECT, INSERT, UPDATE, DELETE') OR has_any_column_privilege('cell_app', oid, 'SELECT, INSERT, UPDATE'))))
  ), keys AS (
    SELECT t.object, i.indisprimary, i.indexrelid, x.relname AS name,
      (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, NULL) ORDER BY k.place)
         FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE k.place <= i.indnkeyatts) AS columns,
      -- An exclusion constraint holds a tenant apart only where tenant_id is compared for equality.
      coalesce((SELECT bool_or(o.oprname = '=' AND a.attname = 'tenant_id') FROM pg_constraint e, unnest(e.conkey, e.conexclop) AS k (attnum, op)
         JOIN pg_operator o ON o.oid = k.op JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE e.conindid = i.indexrelid AND e.contype = 'x'), true) AS apart
    FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion) JOIN pg_class x ON x.oid = i.indexrelid
  ), columns AS (
    SELECT t.object, a.attname AS name, a.attidentity, (CASE WHEN b.typcategory = 'A' THEN b.typelem WHEN b.typtype = 'd' THEN b.typbasetype ELSE b.oid END)::regtype::text AS type
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type b ON b.oid = a.atttypid
  )`;

const policies = `
  SELECT 'unforced-policy' AS rule, t.object, '' AS detail FROM tables t
    WHERE NOT (t.forced AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'cellplane_tenant' AND p.polcmd = '*'
      AND p.polroles = ARRAY['cell_app'::regrole::oid] AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = cellplane.tenant())'
      AND pg_get_expr(p.polwithcheck, p.polrelid) = '(tenant_id = cellplane.tenant())'))
  UNION ALL
  SELECT 'policy-too-wide', t.object, p.polname FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
    WHERE p.polpermissive AND p.polname <> 'cellplane_tenant' AND (0 = ANY (p.polroles) OR 'cell_app'::regrole = ANY (p.polroles))
  UNION ALL
  -- pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update.
  SELECT 'fence-missing', t.object, '' FROM tables t WHERE 28 <> coalesce((SELECT bit_or(g.tgtype) & 28 FROM pg_trigger g
      JOIN pg_proc f ON f.oid = g.tgfoid JOIN spaces s ON s.oid = f.pronamespace AND s.nspname = 'cellplane'
    WHERE g.tgrelid = t.oid AND g.tgname LIKE 'cellplane\\_fence%' AND f.proname LIKE 'fence%' AND g.tgtype & 3 = 2 AND g.tgenabled IN ('O', 'A')
      AND g.tgattr = ''::int2vector), 0)
  UNION ALL
  SELECT 'trigger-disabled', t.object, g.tgname FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgenabled NOT IN ('O', 'A')`;

const tableKeys = `
  SELECT 'key-without-tenant', t.object, '' FROM tables t
    WHERE NOT EXISTS (SELECT FROM keys k WHERE k.object = t.object AND k.indisprimary AND k.columns[1] = 'tenant_id uuid')
  UNION ALL
  SELECT 'unique-without-tenant', k.object, k.name FROM keys k
    WHERE NOT k.indisprimary AND NOT ('tenant_id uuid' = ANY (coalesce(k.columns, '{}')) AND k.apart)
  UNION ALL
  SELECT 'foreign-key-without-tenant', t.object, f.conname FROM tables t JOIN pg_constraint f ON f.conrelid = t.oid AND f.contype = 'f'
    WHERE NOT EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS pair (here, there)
      JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = pair.here JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = pair.there
      WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id')`;

const otherObjects = `
  SELECT 'definer-function', p.oid::regprocedure::text, '' FROM pg_proc p JOIN spaces n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND NOT (n.nspname = 'cellplane' AND coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']
      AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = p.proowner))
  UNION ALL
  SELECT 'view-as-owner', r.object, '' FROM relations r WHERE r.relkind = 'v' AND NOT EXISTS (
    SELECT FROM pg_options_to_table(r.reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
  UNION ALL
  SELECT CASE r.relkind WHEN 'm' THEN 'materialised-view' WHEN 'f' THEN 'foreign-table' ELSE 'sequence' END, r.object, '' FROM relations r
    WHERE r.relkind IN ('m', 'f', 'S')
  UNION ALL
  SELECT 'rewrite-rule', r.object, w.rulename FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
  UNION ALL
  SELECT 'object-elsewhere', r.object, '' FROM relations r WHERE r.nspname NOT IN ('public', 'cellplane')
  UNION ALL
  SELECT 'owned-by-superuser', r.object, o.rolname FROM relations r JOIN pg_roles o ON o.oid = r.relowner AND o.rolsuper
  UNION ALL
  SELECT 'owned-by-application', pg_describe_object(d.classid, d.objid, d.objsubid), o.rolname FROM pg_shdepend d
    JOIN pg_roles o ON o.oid = d.refobjid AND o.rolname IN ('cell_app', 'cell_system')
    WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass
      AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) OR (d.dbid = 0 AND d.classid = 'pg_database'::regclass
        AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database())))`;

const rights = `
  SELECT 'role-too-strong', r.rolname, concat_ws(', ', CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
      CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN r.rolcreatedb THEN 'CREATEDB' END)
    FROM pg_roles r WHERE (r.rolname IN ('cell_app', 'cell_system', 'cell_owner') AND (r.rolsuper OR r.rolbypassrls OR r.rolreplication))
      OR (r.rolname IN ('cell_app', 'cell_system') AND (r.rolcreaterole OR r.rolcreatedb))
  UNION ALL
  SELECT 'role-member', 'cell_app', m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = 'cell_app'::regrole
  UNION ALL
  SELECT 'replication-role-settable', 'cell_app', '' WHERE has_parameter_privilege('cell_app', 'session_replication_role', 'SET')
  UNION ALL
  SELECT 'replication-role-settable', coalesce(r.rolname, 'every role'), 'as a default' FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c LIKE 'session_replication_role=%' AND c <> 'session_replication_role=origin')
  UNION ALL
  SELECT 'privilege-too-strong', r.object, p.name FROM relations r, unnest(ARRAY['TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']) AS p (name)
    WHERE r.relkind IN ('r', 'p', 'f') AND has_table_privilege('cell_app', r.oid, p.name)
  UNION ALL
  SELECT 'privilege-too-strong', 'schema ' || s.nspname, 'CREATE' FROM spaces s WHERE has_schema_privilege('cell_app', s.oid, 'CREATE')
  UNION ALL
  SELECT 'privilege-too-strong', 'database ' || current_database(), p.name FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS p (name)
    WHERE has_database_privilege('cell_app', current_database(), p.name)`;

const columns = `
  SELECT 'sequence', c.object, c.name FROM columns c WHERE c.attidentity <> ''
  UNION ALL
  SELECT 'column-not-comparable', c.object, c.name || ' ' || c.type FROM columns c
    WHERE c.type IN ('json', 'xml', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle')
  UNION ALL
  SELECT 'column-of-this-database', c.object, c.name || ' ' || c.type FROM columns c
    WHERE c.type IN ('oid', 'xid', 'xid8', 'cid', 'tid', 'pg_lsn', 'pg_snapshot', 'txid_snapshot') OR c.type LIKE 'reg%'
  UNION ALL
  SELECT 'unlogged-table', r.object, '' FROM relations r WHERE r.relkind IN ('r', 'p') AND r.relpersistence = 'u'`;

const statement = `${relations} ${[policies, tableKeys, otherObjects, rights, columns].join("\n  UNION ALL")}\n  ORDER BY 1, 2, 3`;

/**
 * Reads all that the rules refuse in the database as it is now. It sees what the asking transaction sees, so that a migration can be judged before it
 * commits.
 */
export async function lintSchema(database: Queryable): Promise<SchemaFinding[]> {
  const found = await database.query<SchemaFinding>(statement);
  return found.rows;
}
