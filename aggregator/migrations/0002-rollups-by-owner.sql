-- Finds what is left of a tenant's lower epochs, once a minute for every tenant of a cell.
CREATE INDEX rollups_by_epoch ON rollups (tenant, epoch);
