/** The clock is read anew at most this often. */
const keptMs = 500;

let line = "";
let until = 0;

/** The Date field of an answer that has none yet (RFC 9110, section 6.6.1). */
export function dateLine(): string {
  const now = Date.now();
  if (now < until && now >= until - keptMs) return line;
  until = now + keptMs;
  line = `date: ${new Date(now).toUTCString()}\r\n`;
  return line;
}
