"""From indicators to questions, from questions to PromQL, and answers dealt back. Pure: asks nothing itself."""
