type Labels = Readonly<Record<string, string>>;

const escaped = (value: string): string =>
  value.replace(/[\\"\n]/g, (letter) => (letter === "\n" ? "\\n" : `\\${letter}`));

/** What a page of it is served as. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** A page in Prometheus' text format, version 0.0.4. Every label must come from a bounded set. */
export class MetricsPage {
  readonly #lines: string[] = [];

  /** Begins a family of series. @returns what adds a series to it. */
  family(
    name: string,
    type: "counter" | "gauge" | "histogram",
    help: string,
  ): (value: number, labels?: Labels, suffix?: string) => void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    return (value, labels = {}, suffix = "") => {
      const inner = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
      const number = value === Number.POSITIVE_INFINITY ? "+Inf" : String(value);
      this.#lines.push(`${name}${suffix}${inner.length === 0 ? "" : `{${inner.join(",")}}`} ${number}`);
    };
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}
