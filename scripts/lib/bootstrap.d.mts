// The types of bootstrap.mjs, whose comments say what each does.

export const root: string;
export class SetupError extends Error {}
export function ensurePackages(): Promise<void>;
export function packagesPresent(): boolean;
export function nodePath(): string;
export function oneAtATime<T>(lock: string, what: string, work: () => Promise<T>): Promise<T>;
export function handOver(file: string, args: readonly string[]): Promise<void>;
export function boot(work: () => Promise<void>): Promise<void>;
