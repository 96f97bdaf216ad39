"""OpenAI's Chat Completions format, and what else OpenAI and those who speak its format offer: models, batches."""
