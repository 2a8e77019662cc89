const tones: readonly (readonly [RegExp, number])[] = [
  [/\b(completed|passed|deployed)\b/, 32],
  [/\b(failed|rolled-back|rollback-failed|rolling-back)\b/, 31],
  [/\b(waiting for \w+|halted|paused)\b/, 33],
  [/\b(deploying|verifying|baking|checking|migrating|starting|smoke|switching|draining)\b/, 36],
  [/\b(pending|skipped|planned|cancelled)\b/, 90],
];

/** The first word of a line that says how something stands, in its colour. The word stays; the colour is for the eye alone. */
export function coloured(line: string): string {
  if (line.startsWith("reason")) return line;
  const found = tones
    .map(([words, colour]) => ({ match: words.exec(line), colour }))
    .filter(({ match }) => match !== null)
    .toSorted((one, other) => (one.match?.index ?? 0) - (other.match?.index ?? 0))[0];
  const word = found?.match?.[0];
  return word === undefined || found === undefined
    ? line
    : line.replace(word, `\u001B[${found.colour}m${word}\u001B[39m`);
}
