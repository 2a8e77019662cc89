/** 75 → `1 min 15 s`; the two largest units that are not zero. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

function joined(many: number, unit: string, few: number, part: string): string {
  return few === 0 ? `${many} ${unit}` : `${many} ${unit} ${few} ${part}`;
}
