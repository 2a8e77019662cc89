/**
 * What one cell may take of a machine, all in one place. A cell has a bounded size, so that its neighbours have theirs:
 *
 *   API            heap 384 MiB; a release serves from some 60, the rest is for the largest answers of 500 tenants
 *   worker         heap 256 MiB; runs few jobs at once
 *   PostgreSQL     shared buffers 48 MiB; a backend takes some 5 MiB, and for each sort or hash of a statement at most `workMemMb` more
 *                  (a tenant's connection, of which a slot has 16, asks for 16 MiB: cells/serving.ts)
 *   Redis          64 MiB, then writes are refused and nothing is forgotten: jobs come again from the outbox, the cache fails open
 *
 * Connections: a slot's API holds at most 10 + 4 + 1 and its worker 8 + 4 + 1; two slots during a rollout are 56, and a migration, a backup, a person
 * and PostgreSQL's own reserve of 3 fit beside them.
 * A second slot stands beside the first for the minutes of a rollout only.
 */
export const memory = {
  /** V8's old space, MiB. */
  heapMb: { api: 384, worker: 256 },
  /**
   * V8's young generation grows to three times this, MiB, with the garbage of the start alone, and keeps it. Its default is 16; smaller means more, shorter
   * collections (docs/decisions/0019-an-idle-cells-memory.md).
   */
  semiSpaceMb: { api: 4, worker: 2 },
  /** Threads with which V8 collects and compiles beside the main one; its default of 4 is for machines that run one process. */
  v8Threads: 1,
  /** Heaps of the C library, of which each thread otherwise gets one. */
  mallocArenas: 2,
  postgres: { sharedBuffersMb: 48, workMemMb: 4, maintenanceWorkMemMb: 32, maxConnections: 80 },
  redisMb: 64,
} as const;

/**
 * A cell's disk. Below `floorMb` (cells/config.ts, DISK_FLOOR_MB) the cell itself refuses writes and says so. What PostgreSQL and Redis write of their own accord
 * may still fill the rest; then, below `ballastAtMb`, the supervisor gives up the ballast, in which PostgreSQL ends its recovery.
 */
export const disk = { ballastMb: 48, ballastAtMb: 32 } as const;
