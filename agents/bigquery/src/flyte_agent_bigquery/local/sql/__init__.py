"""BigQuery's SQL to DuckDB's: parsed by sqlglot, resolved and typed here, refused where it could be wrong."""
