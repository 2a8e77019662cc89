// Names of WAL segments (PostgreSQL, "WAL Internals"): timeline, then the segment's number in two halves, each eight hex digits.

/** WAL is cut into segments of this size: with a switch a minute, 16 MB each would be 23 GB a day of mostly nothing. */
export const walSegmentMb = 1;
/** A segment that is not full is archived after this long all the same, if anything was written: the bound of what a lost disk loses. */
export const archiveTimeoutSeconds = 60;

const segmentPattern = /^[0-9A-F]{24}$/;
const archivedPattern = /^([0-9A-F]{24})\.gz$/;

/** The segment that an archived file holds; null for anything else, e.g. a backup's history file. */
export function archivedSegment(file: string): string | null {
  return archivedPattern.exec(file)?.[1] ?? null;
}

/** The segment after this one on the same timeline. @throws RangeError for what is no segment's name */
export function nextSegment(name: string, segmentBytes: number): string {
  if (!segmentPattern.test(name)) throw new RangeError(`not a WAL segment: ${name}`);
  const perLog = 0x1_0000_0000 / segmentBytes;
  const high = Number.parseInt(name.slice(8, 16), 16);
  const low = Number.parseInt(name.slice(16), 16);
  const next = low + 1 < perLog ? [high, low + 1] : [high + 1, 0];
  return `${name.slice(0, 8)}${next.map((half) => half.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
}

/** The archived segments that follow `first` without a gap; what lies behind a gap is of no use to a recovery. */
export function chainFrom(first: string, archived: ReadonlySet<string>, segmentBytes: number): string[] {
  const chain: string[] = [];
  for (let name = first; archived.has(name); name = nextSegment(name, segmentBytes)) chain.push(name);
  return chain;
}

/**
 * The command with which PostgreSQL archives a segment, run by it in its data directory as its own user. `ln` refuses an existing name, so that
 * nothing is ever overwritten, and what bears its final name is complete and on disk. A segment that is there already is a success if it is the
 * same (a crash came between archiving and noting it) and a failure if it is another. `%f` and `%p` are names that PostgreSQL makes itself, of
 * letters, digits, dots and slashes; PATH is set because a server's may be anything.
 * @param folder where to, seen from the data directory
 */
export function archiveCommand(folder: string): string {
  return [
    "set -eu",
    "export PATH=/usr/bin:/bin",
    "umask 077",
    `to='${folder}/%f.gz'`,
    `if [ -e "$to" ]; then gzip -dc "$to" | cmp -s - '%p'; exit; fi`,
    'part="$to.$$"',
    `trap 'rm -f "$part"' EXIT`,
    `gzip -1 -c '%p' > "$part"`,
    'sync "$part"',
    'ln -T "$part" "$to"',
    `sync '${folder}'`,
  ].join("\n");
}

/** Where the segments for a recovery lie in its data directory. */
export const recoveryWalFolder = "cellplane_wal";

/** The command with which a recovery asks for a segment. A missing one is an ordinary answer: it ends the recovery. */
export const restoreCommand = `PATH=/usr/bin:/bin; test -f '${recoveryWalFolder}/%f.gz' && gzip -dc '${recoveryWalFolder}/%f.gz' > '%p'`;
