/** The bytes that HTTP/1.1 is made of (RFC 9110, section 5.6; RFC 9112, section 2.2). */
export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const SLASH = 0x2f;

function tableOf(belongs: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (belongs(byte) ? 1 : 0));
}

const tokenText = /[A-Za-z0-9!#$%&'*+.^_`|~-]/;
/** 1 for a byte of a token: a method, a field's name. */
export const isToken = tableOf((byte) => tokenText.test(String.fromCharCode(byte)));
/** 1 for a byte of a field's value: visible, space, tab, or above ASCII; no CR, LF, NUL or other control. */
export const isValue = tableOf((byte) => byte === HTAB || (byte >= SP && byte !== 0x7f));
/** In `isTarget`: a dot, percent sign or backslash, with which a path can step up or mean two things. */
export const needsLook = 2;
/** Not 0 for a byte of a target: visible ASCII without `#`, for a fragment is never sent (RFC 9112, section 3.2). */
export const isTarget = tableOf((byte) => byte > SP && byte < 0x7f && byte !== 0x23).map((belongs, byte) =>
  ".%\\".includes(String.fromCharCode(byte)) ? belongs | needsLook : belongs,
);

/** Whether bytes from a place on are these. @param to where they end: as many are compared. */
export function isSame(wanted: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  const { length } = wanted;
  if (length !== to - from) return false;
  for (let index = 0; index < length; index += 1) if (wanted[index] !== bytes[from + index]) return false;
  return true;
}
