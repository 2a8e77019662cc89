import { useNow } from "../frame/clock.ts";
import { span } from "./span.ts";

/** How long ago, kept true; the exact moment on hover and for machines. */
export function Ago({ at }: { readonly at: string | null }) {
  const now = useNow();
  if (at === null) return <span className="faint">never</span>;
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {seconds < 2 ? "now" : `${span(seconds)} ago`}
    </time>
  );
}
