-- cellplane:concurrently
-- outbox_turns (0007) serves all that this one did. With both the planner takes this one for a tenant's turn, and reads its whole backlog to find out that
-- none of it has another priority.
DROP INDEX CONCURRENTLY IF EXISTS cellplane.outbox_waiting;
