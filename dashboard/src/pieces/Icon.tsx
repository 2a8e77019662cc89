import type { PageName } from "../frame/page.ts";

const paths: Readonly<Record<PageName, string>> = {
  fleet: "M8 1.8 13.4 5v6L8 14.2 2.6 11V5zM8 8v6.2M8 8l5.4-3M8 8 2.6 5",
  rollout: "M2.5 12.5h3v-3h3v-3h3v-3h2M10.8 1.8l2.7 1.7-2.7 1.7",
  tenants:
    "M6 7.2a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8zM1.8 13.4c.3-2.6 2-4 4.2-4s3.9 1.4 4.2 4M10.6 7.300a2 2 0 1 0-.5-3.900M11.7 9.500c1.5.4 2.4 1.8 2.6 3.9",
  numbers: "M2.5 13.500h11M4.2 11.200V8M7.4 11.200V3M10.6 11.200V6",
  audit: "M3.5 1.800h6l3 3v9.400h-9zM9.3 2v3h3M5.6 8h4.800M5.6 10.800h4.8",
};

/** A page's picture; the word beside it says the same. */
export function Icon({ name }: { readonly name: PageName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

/** The project's mark: a cell within a cell. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path className="mark-outer" d="M12 1.6 21 6.800v10.400l-9 5.2-9-5.200V6.800z" />
      <path className="mark-inner" d="m12 6.2 5 2.900v5.800l-5 2.9-5-2.900V9.100z" />
      <path className="mark-core" d="m12 9.4 2.3 1.300v2.600L12 14.600l-2.3-1.300v-2.600z" />
    </svg>
  );
}
