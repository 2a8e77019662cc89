const head = `# Benchmarks

Made by \`npm run bench\`, which takes all of them in their short form, or by \`npm run bench -- <name> --record\`, which takes one. Read the ratios: absolute figures
are the machine's. [bench/README.md](../bench/README.md) says how they are measured.
`;

/**
 * The page of all benchmarks with one of them measured anew; the others stay as they are.
 * @param page as it stands; empty where there is none yet.
 * @param section begins with its own heading, `## …`, by which the one before it is found.
 * @param headings of all benchmarks, in the order in which they shall stand; a section that is not among them goes.
 */
export function withSection(page: string, section: string, headings: readonly string[]): string {
  const sections = new Map<string, string>();
  for (const text of [...page.split(/^(?=## )/m).filter((part) => part.startsWith("## ")), section])
    sections.set(headingOf(text), text.trim());
  return [head.trim(), ...headings.flatMap((heading) => sections.get(heading) ?? [])].join("\n\n").concat("\n");
}

/** The first line, without its marks. */
export function headingOf(section: string): string {
  return section.slice("## ".length, section.indexOf("\n"));
}
