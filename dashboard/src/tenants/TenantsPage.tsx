import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { Tenant, Whoami } from "../../../common/contracts/control-plane.ts";
import { tenantsQuery } from "../api/queries.ts";
import { Badge } from "../pieces/Badge.tsx";
import type { Tone } from "../pieces/tone.ts";
import { PageHead } from "../pieces/PageHead.tsx";
import { Waiting } from "../pieces/Waiting.tsx";
import { type Filter, filterTenants, noFilter, wordsOf } from "./filter.ts";
import { TenantChange } from "./TenantChange.tsx";

const stateTones: Readonly<Record<Tenant["state"], Tone>> = { active: "good", provisioning: "busy", suspended: "warn" };
/** More rows than this help nobody; a search narrows them down. */
const mostRows = 200;

/** Finds any tenant: by name, tier, cell, state. */
export function TenantsPage({ whoami }: { readonly whoami: Whoami }) {
  const tenants = useQuery(tenantsQuery);
  const [filter, setFilter] = useState<Filter>(noFilter);
  return (
    <>
      <PageHead title="Tenants" about="Who is served, and from which cell" />
      <Waiting query={tenants}>
        {(all) => (
          <>
            <Filters all={all} filter={filter} onChange={setFilter} />
            <TenantTable tenants={filterTenants(all, filter)} of={all.length} mayOperate={whoami.role !== "viewer"} />
          </>
        )}
      </Waiting>
    </>
  );
}

function Filters({
  all,
  filter,
  onChange,
}: {
  readonly all: readonly Tenant[];
  readonly filter: Filter;
  readonly onChange: (filter: Filter) => void;
}) {
  const id = useId();
  return (
    <form className="card filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label htmlFor={`${id}-text`}>Search</label>
      <input
        id={`${id}-text`}
        className="field"
        type="search"
        placeholder="slug, host or id"
        value={filter.text}
        onChange={(event) => onChange({ ...filter, text: event.target.value })}
      />
      {(["tier", "cell", "state"] as const).map((name) => (
        <label key={name}>
          <span className="filter-name">{name}</span>
          <select
            className="field"
            value={filter[name]}
            onChange={(event) => onChange({ ...filter, [name]: event.target.value })}
          >
            <option value="">any</option>
            {wordsOf(all, name).map((word) => (
              <option key={word}>{word}</option>
            ))}
          </select>
        </label>
      ))}
    </form>
  );
}

function TenantTable({
  tenants,
  of,
  mayOperate,
}: {
  readonly tenants: readonly Tenant[];
  readonly of: number;
  readonly mayOperate: boolean;
}) {
  return (
    <section className="card" aria-label="Tenants">
      <p className="card-head faint" role="status">
        {tenants.length === of ? `${of} tenants` : `${tenants.length} of ${of} tenants`}
        {tenants.length > mostRows ? `, the first ${mostRows} shown` : ""}
      </p>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col">Tier</th>
              <th scope="col">Cell</th>
              <th scope="col">State</th>
              <th scope="col">Residency</th>
              <th scope="col" className="number">
                Limit
              </th>
              <th scope="col" className="number">
                Keys
              </th>
              <th scope="col" className="number">
                Epoch
              </th>
              <th scope="col">
                <span className="unseen">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tenants.slice(0, mostRows).map((tenant) => (
              <tr key={tenant.id}>
                <th scope="row">
                  {tenant.slug}
                  <div className="faint mono small">{tenant.host}</div>
                </th>
                <td>{tenant.tier}</td>
                <td className="mono">{tenant.cell}</td>
                <td>
                  <Badge tone={stateTones[tenant.state]}>{tenant.state}</Badge>
                  {tenant.reason !== null && <div className="faint small">{tenant.reason}</div>}
                </td>
                <td>{tenant.region ?? <span className="faint">any</span>}</td>
                <td className="number">{tenant.limits.requestsPerSecond.toLocaleString("en")}/s</td>
                <td className="number">{tenant.keys.length}</td>
                <td className="number">{tenant.epoch}</td>
                <td className="row-actions">{mayOperate && <TenantChange tenant={tenant} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {tenants.length === 0 && <p className="empty">No tenant is like that.</p>}
    </section>
  );
}
