"""From raw records to typed, flattened, de-duplicated Parquet with exact counts. See docs/transform.md."""
