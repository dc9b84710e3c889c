"""clickstream-platform: event streams into one warehouse table per customer and event, complete and exactly once."""
