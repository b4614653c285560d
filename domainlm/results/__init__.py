"""The store: what all runs gave, in Parquet files that only ever grow, asked in SQL."""
