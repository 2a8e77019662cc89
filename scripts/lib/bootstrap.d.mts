/** The clone's folder. */
export const root: string;
export function ensurePackages(): Promise<void>;
export function packagesPresent(): boolean;
export function nodePath(): string;
export function handOver(file: string, args: readonly string[]): Promise<void>;
export function boot(work: () => Promise<void>): Promise<void>;
